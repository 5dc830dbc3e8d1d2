"""API keys: only the digest of a secret is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from hub.core.posts import RequestKey
from hub.core.values import ApiKey, Participant
from hub.ports import AuditEntry, Page, StoredKey, Written
from hub.store import rows
from hub.store.access_changes import note_change
from hub.store.common import claim_key, write_audit
from hub.store.database import Database
from hub.store.queries import fetch
from hub.store.schema import api_keys

_KEY: Final = 1 + len(fields(ApiKey))
_FIND: Final = f"""SELECT k.digest, {", ".join(f"k.{each.name}" for each in fields(ApiKey))},
    {", ".join(f"p.{each.name}" for each in fields(Participant))}
    FROM api_keys k JOIN participants p ON p.tenant_id = k.tenant_id AND p.id = k.participant_id
    WHERE k.id = ANY($1)"""


class SqlKeys:
    """`KeyStore` on any SQL database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, key: ApiKey, digest: str, audit: AuditEntry | None, request: RequestKey | None
    ) -> Written:
        return await self._database.write(lambda c: _create(c, key, digest, audit, request))

    async def find(self, key_id: str) -> StoredKey | None:
        return (await self.find_all([key_id])).get(key_id)

    async def find_all(self, key_ids: Sequence[str]) -> dict[str, StoredKey]:
        return await self._database.read(lambda c: _find(c, key_ids))

    async def page(self, tenant_id: str, participant_id: str | None, page: Page) -> list[ApiKey]:
        return await self._database.read(lambda c: _page(c, tenant_id, participant_id, page))

    async def revoke(
        self, tenant_id: str, key_id: str, at_ms: int, audit: AuditEntry | None
    ) -> ApiKey | None:
        return await self._database.write(lambda c: _revoke(c, tenant_id, key_id, at_ms, audit))

    async def used(self, last_ms: Mapping[str, int]) -> None:
        await self._database.write(lambda c: _used(c, last_ms))

    async def admins(self, tenant_id: str, now_ms: int) -> list[str]:
        return await self._database.read(lambda c: _admins(c, tenant_id, now_ms))


def _create(
    connection: Connection,
    key: ApiKey,
    digest: str,
    audit: AuditEntry | None,
    request: RequestKey | None,
) -> Written:
    if earlier := claim_key(connection, request, key.id, key.created_ms):
        return Written(earlier=earlier)
    row = {c.name: getattr(key, c.name) for c in api_keys.c if c.name != "digest"}
    row["scopes"] = " ".join(key.scopes)
    connection.execute(insert(api_keys).values(**row, digest=digest))
    write_audit(connection, audit)
    return Written()


def _find(connection: Connection, key_ids: Sequence[str]) -> dict[str, StoredKey]:
    return {
        row[1]: StoredKey(
            rows.key_of_text(row[1:_KEY]), row[0], rows.participant_of_text(row[_KEY:])
        )
        for row in fetch(connection, _FIND, list(key_ids))
    }


def _page(
    connection: Connection, tenant_id: str, participant_id: str | None, page: Page
) -> list[ApiKey]:
    statement = select(api_keys).where(api_keys.c.tenant_id == tenant_id)
    if participant_id is not None:
        statement = statement.where(api_keys.c.participant_id == participant_id)
    if page.after:
        statement = statement.where(api_keys.c.id > page.after)
    found = connection.execute(statement.order_by(api_keys.c.id).limit(page.limit))
    return [rows.key_of(row) for row in found]


def _revoke(
    connection: Connection, tenant_id: str, key_id: str, at_ms: int, audit: AuditEntry | None
) -> ApiKey | None:
    mine = (api_keys.c.tenant_id == tenant_id) & (api_keys.c.id == key_id)
    good = mine & api_keys.c.revoked_ms.is_(None)
    revoked = connection.execute(update(api_keys).where(good).values(revoked_ms=at_ms)).rowcount
    row = connection.execute(select(api_keys).where(mine)).first()
    if row is None:
        return None
    if revoked:
        write_audit(connection, audit)
        note_change(connection, "key", key_id, at_ms)
    return rows.key_of(row)


def _used(connection: Connection, last_ms: Mapping[str, int]) -> None:
    """In the order of ids: of two gateways that write at once neither waits for the other in a
    circle."""
    known = api_keys.c.last_used_ms
    later = update(api_keys).where(
        api_keys.c.id == bindparam("key_id"), known.is_(None) | (known < bindparam("at_ms"))
    )
    rows = [{"key_id": key_id, "at_ms": last_ms[key_id]} for key_id in sorted(last_ms)]
    connection.execute(later.values(last_used_ms=bindparam("at_ms")), rows)


def revoke_all(
    connection: Connection, tenant_id: str, participant_id: str, at_ms: int
) -> list[str]:
    """End whatever keys somebody has that are good; their ids, which are yet to be noted."""
    good = (
        (api_keys.c.tenant_id == tenant_id)
        & (api_keys.c.participant_id == participant_id)
        & api_keys.c.revoked_ms.is_(None)
    )
    ended = update(api_keys).where(good).values(revoked_ms=at_ms).returning(api_keys.c.id)
    return sorted(connection.execute(ended).scalars())


def _admins(connection: Connection, tenant_id: str, now_ms: int) -> list[str]:
    statement = select(api_keys.c.participant_id).where(
        api_keys.c.tenant_id == tenant_id,
        api_keys.c.role == "tenant_admin",
        api_keys.c.revoked_ms.is_(None),
        api_keys.c.expires_ms.is_(None) | (api_keys.c.expires_ms > now_ms),
    )
    order = api_keys.c.participant_id
    return list(connection.execute(statement.distinct().order_by(order)).scalars())
