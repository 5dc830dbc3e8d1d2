"""Finding sessions by what their application keeps with them: a row for every key and value that
may be asked for, in the order of the list.

JSON itself has no index that both databases know, and to read through it costs 100 ms where a
tenant has 100,000 sessions; PostgreSQL's GIN is used or not by a guess of how many there will be,
which was wrong by 90 times. Rows cost 0.2 to 2 ms for a page, on either database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, Select, delete, exists, func, insert, select

from hub.core.metadata import found_by
from hub.core.values import Json
from hub.store.schema import session_metadata, sessions

_COUNTED: Final = 1_000


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
    """Those of a list of sessions that have all that is asked for: each is looked at, so it is for
    a list that is short, such as one person's."""
    for key, value in asked.items():
        has = session_metadata.alias()
        mine = (has.c.session_id == sessions.c.id) & (has.c.key == key) & (has.c.value == value)
        found = found.where(exists(select(1).where(mine)))
    return found


def of_tenant(
    connection: Connection, found: Select[Any], tenant_id: str, asked: Mapping[str, str]
) -> Select[Any]:
    """As `having`, of all that a tenant has: they are read from what fewest of them have."""
    first, *others = sorted(asked, key=lambda key: _many(connection, tenant_id, key, asked[key]))
    has = session_metadata.alias()
    found = found.join(has, has.c.session_id == sessions.c.id).where(
        has.c.tenant_id == tenant_id, has.c.key == first, has.c.value == asked[first]
    )
    return having(found, {key: asked[key] for key in others})


def _many(connection: Connection, tenant_id: str, key: str, value: str) -> int:
    """How many sessions have it, as far as they are counted."""
    has = session_metadata.c
    same = select(1).where(has.tenant_id == tenant_id, has.key == key, has.value == value)
    return connection.execute(
        select(func.count()).select_from(same.limit(_COUNTED).subquery())
    ).scalar_one()
