"""Who may be in rooms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hub.core.posts import RequestKey
from hub.core.values import Json, Participant
from hub.ports.audit import AuditEntry
from hub.ports.common import Page, Written


class ParticipantStore(Protocol):
    async def create(
        self, participant: Participant, key: RequestKey | None, audit: AuditEntry | None = None
    ) -> Written:
        """Raises ALREADY_EXISTS for an id or handle that is taken."""

    async def get(self, tenant_id: str, participant_id: str) -> Participant | None: ...

    async def find(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Participant]: ...

    async def page(self, tenant_id: str, page: Page) -> list[Participant]: ...

    async def update(
        self,
        tenant_id: str,
        participant_id: str,
        changes: Json,
        audit: AuditEntry | None = None,
    ) -> Participant | None: ...

    async def disable(
        self, tenant_id: str, participant_id: str, at_ms: int, audit: AuditEntry | None
    ) -> Participant | None:
        """Take it out of use and end all of its keys, in one transaction; who is out of use
        already stays as it is."""

    async def handles(self, tenant_id: str, handles: Sequence[str]) -> set[str]:
        """Which of these handles are taken."""

    async def personas(self, tenant_id: str, limit: int) -> list[Participant]:
        """Personas in use that a model drives, by id; not those that stand for a bare model in
        sessions."""
