"""Lists of sessions: all of a tenant or of one person, those that wait, those that were taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, select, tuple_

from hub.core.values import Session
from hub.ports import Asked, Page
from hub.store import rows, session_metadata
from hub.store.queries import fetch
from hub.store.schema import members, sessions

# Found by their ids: no index of a list, which may be long, is of use for what is compared here.
LISTED: Final = """SELECT id FROM sessions WHERE id = ANY($1) AND tenant_id || '' = $2
    AND deleted_ms IS NULL AND (CAST($3 AS VARCHAR) IS NULL OR owner || '' = $3)
    AND (CAST($4 AS VARCHAR) IS NULL OR status || '' = $4)"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page of a tenant's sessions: of whom, in which state, with what in their metadata."""

    tenant_id: str
    owner: str | None
    status: str | None
    page: Page
    asked: Asked


def page(connection: Connection, wanted: Wanted, few: int) -> list[Session]:
    """Newest first. What fewer than `few` have is not looked for in the whole list."""
    if wanted.asked:
        found = session_metadata.few(connection, wanted.tenant_id, wanted.asked, few)
        if found is not None:
            return _among(connection, wanted, found)
    listed = _walked(wanted).where(sessions.c.deleted_ms.is_(None))
    if wanted.page.after:
        listed = listed.where(sessions.c.id < wanted.page.after)
    found_rows = connection.execute(listed.limit(wanted.page.limit))
    return [rows.session_of(row) for row in found_rows]


def _walked(wanted: Wanted) -> Select[Any]:
    """The list in its order, each of it looked at; that of a whole tenant where the metadata's own
    rows have the same order."""
    if wanted.asked and wanted.owner is None and wanted.status is None:
        return session_metadata.of_tenant(wanted.tenant_id, wanted.asked)
    here = sessions.c.tenant_id == wanted.tenant_id
    if wanted.owner is not None:
        here &= sessions.c.owner == wanted.owner
    if wanted.status is not None:
        here &= sessions.c.status == wanted.status
    listed = select(sessions).where(here).order_by(sessions.c.id.desc())
    return session_metadata.having(listed, wanted.asked)


def _among(connection: Connection, wanted: Wanted, found: Sequence[str]) -> list[Session]:
    """The newest of these that belong to the list."""
    after = wanted.page.after
    ids = [each for each in found if after is None or each < after]
    listed = fetch(connection, LISTED, ids, wanted.tenant_id, wanted.owner, wanted.status)
    newest = sorted((row[0] for row in listed), reverse=True)[: wanted.page.limit]
    shown = select(sessions).where(sessions.c.id.in_(newest), sessions.c.deleted_ms.is_(None))
    ordered = connection.execute(shown.order_by(sessions.c.id.desc()))
    return [rows.session_of(row) for row in ordered]


def waiting(
    connection: Connection, tenant_id: str, owner: str | None, page: Page, asked: Asked
) -> list[Session]:
    """Who has waited longest comes first; `page.after` is `waiting_ms:id`."""
    statement = select(sessions).where(
        sessions.c.tenant_id == tenant_id, sessions.c.waiting_ms.is_not(None)
    )
    if owner is not None:
        statement = statement.where(sessions.c.owner == owner)
    if page.after:
        since, _, after = page.after.partition(":")
        place = tuple_(sessions.c.waiting_ms, sessions.c.id)
        statement = statement.where(place > tuple_(int(since), after))
    order = statement.order_by(sessions.c.waiting_ms, sessions.c.id).limit(page.limit)
    found = connection.execute(session_metadata.having(order, asked))
    return [rows.session_of(row) for row in found]


def taken(
    connection: Connection, tenant_id: str, handler: str, page: Page, asked: Asked
) -> list[Session]:
    """Found by membership, which is indexed: who has a session is a member of its room."""
    inside = select(members.c.room_id).where(
        members.c.tenant_id == tenant_id, members.c.participant_id == handler
    )
    statement = select(sessions).where(
        sessions.c.tenant_id == tenant_id, sessions.c.id.in_(inside),
        sessions.c.handler == handler, sessions.c.status == "active",
    )  # fmt: skip
    if page.after:
        statement = statement.where(sessions.c.id < page.after)
    order = statement.order_by(sessions.c.id.desc()).limit(page.limit)
    found = connection.execute(session_metadata.having(order, asked))
    return [rows.session_of(row) for row in found]
