"""Models of a tenant, and every tenant's models as they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from hub.core.models import StoredModel
from hub.ports.audit import AuditEntry


class ModelStore(Protocol):
    async def of(self, tenant_id: str) -> list[StoredModel]:
        """A tenant's own models, by slug."""

    async def put(
        self,
        tenant_id: str,
        slug: str,
        make: Callable[[StoredModel | None], StoredModel],
        audit: AuditEntry,
        check: Callable[[list[StoredModel]], None],
    ) -> StoredModel:
        """Store what `make` makes of the model as it was; `check` is given the tenant's models as
        they are then. What either raises leaves everything as it was."""

    async def delete(
        self,
        tenant_id: str,
        slug: str,
        audit: AuditEntry,
        check: Callable[[list[StoredModel]], None],
    ) -> StoredModel | None:
        """Remove a model; `check` as above. None when there is none."""


class Catalogue(Protocol):
    """The models of every tenant as they are used."""

    async def knows(self, tenant_id: str, slug: str) -> bool:
        """Whether the tenant has a model of this name, its own or the operator's."""

    def operates(self, slug: str) -> bool:
        """Whether the slug is the operator's, for no tenant to map."""

    def check(self, models: Iterable[StoredModel], slug: str) -> None:
        """Raises Invalid when a tenant could not have these models, of which `slug` was just
        changed; Conflict when another of them needs what is gone."""

    def forget(self, tenant_id: str) -> None:
        """The tenant's models have just changed: read them anew."""
