"""Reading the audit log; it is written in the transactions of the acts themselves."""

from __future__ import annotations

from sqlalchemy import Connection, select

from hub.ports import AuditRecord, Page
from hub.store.database import Database
from hub.store.schema import audit_log


class SqlAudit:
    """`AuditStore` on any SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, tenant_id: str, page: Page) -> list[AuditRecord]:
        return await self._database.read(lambda c: _page(c, tenant_id, page))


def _page(connection: Connection, tenant_id: str, page: Page) -> list[AuditRecord]:
    statement = select(audit_log).where(audit_log.c.tenant_id == tenant_id)
    if page.after is not None:
        statement = statement.where(audit_log.c.id < page.after)
    found = connection.execute(statement.order_by(audit_log.c.id.desc()).limit(page.limit))
    return [
        AuditRecord(row.id, row.at_ms, row.actor_id, row.key_id, row.action, row.object_id,
                    row.detail)
        for row in found
    ]  # fmt: skip
