"""The words a field may hold, and JSON."""

from __future__ import annotations

from typing import Any, Final, Literal

Json = dict[str, Any]
MemberRole = Literal["owner", "admin", "member", "observer", "guest"]
Engagement = Literal["mention", "thread", "always", "off"]
Busy = Literal["queue", "merge", "interrupt"]
SessionBusy = Literal["queue", "interrupt", "reject"]
WhenBusy = Busy | SessionBusy
TenantRole = Literal["tenant_user", "tenant_admin"]
Scope = Literal["read", "write"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "write")
"""What a key may do unless it is told otherwise."""
MEMBER_ROLES: tuple[MemberRole, ...] = ("owner", "admin", "member", "observer", "guest")
