"""Models that tenants map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from hub.core.models import StoredModel
from hub.ports import AuditEntry
from hub.store.common import write_audit
from hub.store.database import Database
from hub.store.schema import models, tenants

Check = Callable[[list[StoredModel]], None]
Make = Callable[[StoredModel | None], StoredModel]


class SqlModels:
    """`ModelStore` on any SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, tenant_id: str) -> list[StoredModel]:
        return await self._database.read(lambda c: _of(c, tenant_id))

    async def put(
        self, tenant_id: str, slug: str, make: Make, audit: AuditEntry, check: Check
    ) -> StoredModel:
        return await self._database.write(lambda c: _put(c, tenant_id, slug, make, audit, check))

    async def delete(
        self, tenant_id: str, slug: str, audit: AuditEntry, check: Check
    ) -> StoredModel | None:
        return await self._database.write(lambda c: _delete(c, tenant_id, slug, audit, check))


def _of(connection: Connection, tenant_id: str) -> list[StoredModel]:
    statement = select(models).where(models.c.tenant_id == tenant_id).order_by(models.c.slug)
    return [_model(row) for row in connection.execute(statement)]


def _model(row: Row[Any]) -> StoredModel:
    return StoredModel(
        row.tenant_id, row.slug, row.config, tuple(row.api_keys), row.created_ms, row.updated_ms
    )


def _lock(connection: Connection, tenant_id: str) -> None:
    """One change of a tenant's models at a time: each is checked against all the others."""
    lock = select(tenants.c.id).where(tenants.c.id == tenant_id).with_for_update(key_share=True)
    connection.execute(lock)


def _put(
    connection: Connection, tenant_id: str, slug: str, make: Make, audit: AuditEntry, check: Check
) -> StoredModel:
    _lock(connection, tenant_id)
    mine = (models.c.tenant_id == tenant_id) & (models.c.slug == slug)
    row = connection.execute(select(models).where(mine)).first()
    new = make(_model(row) if row else None)
    values = {c.name: getattr(new, c.name) for c in models.c} | {"api_keys": list(new.api_keys)}
    if row:
        connection.execute(update(models).where(mine).values(**values))
    else:
        connection.execute(insert(models).values(**values))
    check(_of(connection, tenant_id))
    write_audit(connection, audit)
    return new


def _delete(
    connection: Connection, tenant_id: str, slug: str, audit: AuditEntry, check: Check
) -> StoredModel | None:
    _lock(connection, tenant_id)
    mine = (models.c.tenant_id == tenant_id) & (models.c.slug == slug)
    row = connection.execute(select(models).where(mine)).first()
    if row is None:
        return None
    connection.execute(delete(models).where(mine))
    check(_of(connection, tenant_id))
    write_audit(connection, audit)
    return _model(row)
