"""Finding sessions by what their application keeps with them: a row for every key and value that
may be asked for, in the order of the list.

JSON itself has no index that both databases know. What is read first is chosen here and not by the
database, whose guess of how many sessions have a value is often wrong a hundred times: where few
have one of the values those few are looked at, otherwise so many have all of them that a page is
full after a short walk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, Select, delete, insert, select

from hub.core.metadata import found_by
from hub.core.values import Json
from hub.store.queries import fetch
from hub.store.schema import session_metadata, sessions

FEW: Final = 1_000
_IDS: Final = """SELECT session_id FROM session_metadata
    WHERE tenant_id = $1 AND key = $2 AND value = $3 LIMIT $4"""
_HAVE: Final = """SELECT session_id FROM session_metadata
    WHERE session_id = ANY($1) AND key = $2 AND value = $3"""


def keep(connection: Connection, tenant_id: str, session_id: str, metadata: Json) -> None:
    """Let a new session be found by its metadata."""
    mine = {"tenant_id": tenant_id, "session_id": session_id}
    rows = [mine | {"key": key, "value": value} for key, value in found_by(metadata).items()]
    if rows:
        connection.execute(insert(session_metadata), rows)


def replace(connection: Connection, tenant_id: str, session_id: str, metadata: Json) -> None:
    """Let a session be found by what it has now, and no more by what it had."""
    mine = session_metadata.c.session_id == session_id
    connection.execute(delete(session_metadata).where(mine))
    keep(connection, tenant_id, session_id, metadata)


def having(found: Select[Any], asked: Mapping[str, str]) -> Select[Any]:
    """Those of a list of sessions that have all that is asked for, each looked at in its turn."""
    for key, value in asked.items():
        has = session_metadata.alias()
        mine = select(has.c.value).where(has.c.session_id == sessions.c.id, has.c.key == key)
        found = found.where(mine.scalar_subquery() == value)
    return found


def few(
    connection: Connection, tenant_id: str, asked: Mapping[str, str], most: int = FEW
) -> list[str] | None:
    """The sessions of a tenant that have all that is asked for, in no order, deleted ones too;
    None where each of it is had by `most` or more."""
    of_key = {
        key: {row[0] for row in fetch(connection, _IDS, tenant_id, key, value, most)}
        for key, value in asked.items()
    }
    known = [ids for ids in of_key.values() if len(ids) < most]
    if not known:
        return None
    found = set.intersection(*known)
    for key, ids in of_key.items():
        if found and len(ids) == most:
            found = {row[0] for row in fetch(connection, _HAVE, list(found), key, asked[key])}
    return list(found)


def of_tenant(tenant_id: str, asked: Mapping[str, str]) -> Select[Any]:
    """As `having`, of all that a tenant has, for what many of them have: read in the order of
    their ids from the rows of one key."""
    (key, value), *others = asked.items()
    has = session_metadata.alias()
    same = (has.c.tenant_id == tenant_id) & (has.c.key == key) & (has.c.value == value)
    found = select(sessions).join(has, has.c.session_id == sessions.c.id).where(same)
    return having(found.order_by(has.c.session_id.desc()), dict(others))
