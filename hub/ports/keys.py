"""Keys, and what is taken away from who has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hub.core.posts import RequestKey
from hub.core.values import ApiKey, Participant
from hub.ports.audit import AuditEntry
from hub.ports.common import Page, Written


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key with the digest of its secret and the participant it speaks for."""

    key: ApiKey
    digest: str
    participant: Participant


class KeyStore(Protocol):
    async def create(
        self, key: ApiKey, digest: str, audit: AuditEntry | None, request: RequestKey | None
    ) -> Written: ...

    async def find(self, key_id: str) -> StoredKey | None: ...

    async def find_all(self, key_ids: Sequence[str]) -> dict[str, StoredKey]:
        """Those of these keys that there are, by id."""

    async def page(
        self, tenant_id: str, participant_id: str | None, page: Page
    ) -> list[ApiKey]: ...

    async def revoke(
        self, tenant_id: str, key_id: str, at_ms: int, audit: AuditEntry | None
    ) -> ApiKey | None: ...

    async def used(self, last_ms: Mapping[str, int]) -> None:
        """When keys were last used, by id; what is known to be later stays."""

    async def admins(self, tenant_id: str, now_ms: int) -> list[str]:
        """The participants who have a tenant_admin's key that is valid now."""


@dataclass(frozen=True, slots=True)
class AccessChange:
    """Something was taken away: a `key` was revoked, or somebody may no longer read a `room`."""

    number: int
    kind: str
    subject_id: str


class AccessChangeStore(Protocol):
    """Changes are numbered in the order in which they are committed: who has read up to a number
    has missed none before it, whatever the clocks say."""

    async def latest(self) -> int: ...

    async def after(self, number: int, limit: int) -> list[AccessChange]:
        """Changes with a higher number, rising."""
