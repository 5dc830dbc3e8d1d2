"""The audit log: who did what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hub.core.times import rfc3339
from hub.core.values import Actor, Json
from hub.ports.common import Page


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which object; never message text, never secrets."""

    id: str
    actor: Actor
    action: str
    object_id: str
    at_ms: int
    detail: Json


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An entry of the audit log as it is read."""

    id: str
    at_ms: int
    actor_id: str
    key_id: str
    action: str
    object_id: str
    detail: Json

    def as_dict(self) -> Json:
        return {
            "id": self.id, "at": rfc3339(self.at_ms), "actor_id": self.actor_id,
            "key_id": self.key_id, "action": self.action, "object_id": self.object_id,
            "detail": self.detail,
        }  # fmt: skip


class AuditStore(Protocol):
    async def page(self, tenant_id: str, page: Page) -> list[AuditRecord]:
        """Newest first."""
