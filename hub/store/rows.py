"""Rows to values: the one place that knows how a noun lies in its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Row, Select, select

from hub.core.posts import LogEntry
from hub.core.values import (
    SCOPES,
    ApiKey,
    Author,
    Member,
    Message,
    Participant,
    Room,
    Run,
    Scope,
    Session,
)
from hub.store.queries import json_value
from hub.store.schema import members, messages, participants, rooms, runs, sessions

AnyRow = Row[Any]
_AUTHOR = (
    participants.c.id.label("p_id"),
    participants.c.type.label("p_type"),
    participants.c.handle.label("p_handle"),
    participants.c.name.label("p_name"),
)
ENTRY_TEXT: Final = ", ".join(LogEntry._fields)
"""The columns of `entry_of_text`."""
_RUN_FIELDS: Final = tuple(each.name for each in fields(Run))
_RUN_JSON: Final = tuple(
    _RUN_FIELDS.index(name) for name in ("usage", "context", "error", "params", "memory", "warning")
)
RUN_TEXT: Final = ", ".join(_RUN_FIELDS)
"""The columns of `run_of_text`, for statements as text."""
PARTICIPANT_TEXT: Final = ", ".join(each.name for each in fields(Participant))
"""The columns of `participant_of_text`."""
ROOM_TEXT: Final = ", ".join(each.name for each in fields(Room))
"""The columns of `room_of_text`."""
_MESSAGE_FIELDS: Final = tuple(n for n in Message._fields if n not in ("author", "reactions"))
_AUTHOR_AT: Final = Message._fields.index("author")
_MENTION, _USAGE = (_MESSAGE_FIELDS.index(name) for name in ("mention", "usage"))
_AUTHOR_TEXT: Final = "p.id, p.type, p.handle, p.name"
MESSAGE_TEXT: Final = f"""{", ".join(f"m.{name}" for name in _MESSAGE_FIELDS)}, {_AUTHOR_TEXT}
    FROM messages m JOIN participants p ON p.tenant_id = m.tenant_id AND p.id = m.author_id"""
"""The columns of `message_of`, and where they are from, for statements as text."""
MEMBER_TEXT: Final = f"""{_AUTHOR_TEXT}, m.role, m.engagement, m.joined_ms, p.driver IS NOT NULL,
    p.driver ->> 'busy', p.disabled_ms IS NOT NULL FROM members m
    JOIN participants p ON p.tenant_id = m.tenant_id AND p.id = m.participant_id"""
"""The columns of `member_of_text`, and where they are from."""
_RUN_COLUMNS = tuple(c for c in runs.c if c.name not in ("lane", "worker", "lease_until_ms"))


def author_of(row: AnyRow) -> Author:
    return Author(row.p_id, row.p_type, row.p_handle, row.p_name)


@cache
def select_participants() -> Select[Any]:
    return select(participants)


def participant_of(row: AnyRow) -> Participant:
    fields = dict(row._mapping)
    return Participant(**fields | {"secrets": tuple(fields["secrets"] or ())})


def participant_of_text(row: Sequence[Any]) -> Participant:
    """A participant from its `PARTICIPANT_TEXT` columns."""
    found = Participant(*row)
    secrets = tuple(json_value(found.secrets) or ())
    return replace(found, driver=json_value(found.driver), secrets=secrets)


def key_of(row: AnyRow) -> ApiKey:
    fields = dict(row._mapping)
    fields.pop("digest")
    return _with_scopes(ApiKey(**fields))


def key_of_text(row: Sequence[Any]) -> ApiKey:
    """A key from its columns in the order of its fields."""
    return _with_scopes(ApiKey(*row))


def _with_scopes(found: ApiKey) -> ApiKey:
    """They are one text; a key from before there were any has none."""
    text = cast("str | None", found.scopes)
    words = SCOPES if text is None else cast("tuple[Scope, ...]", tuple(text.split()))
    return replace(found, scopes=words)


@cache
def select_rooms() -> Select[Any]:
    return select(rooms)


def room_of(row: AnyRow) -> Room:
    return Room(**row._mapping)


def room_of_text(row: Sequence[Any]) -> Room:
    """A room from its `ROOM_TEXT` columns."""
    found = Room(*row)
    return replace(found, private=bool(found.private), settings=json_value(found.settings))


@cache
def select_members() -> Select[Any]:
    """Members with their participants, in the order they joined."""
    same = (participants.c.tenant_id == members.c.tenant_id) & (
        participants.c.id == members.c.participant_id
    )
    return (
        select(
            members,
            participants.c.driver.is_not(None).label("driven"),
            participants.c.driver["busy"].as_string().label("busy"),
            participants.c.disabled_ms.is_not(None).label("disabled"),
            *_AUTHOR,
        )
        .join(participants, same)
        .order_by(members.c.joined_ms, members.c.participant_id)
    )


def member_of(row: AnyRow) -> Member:
    return Member(
        author_of(row), row.role, row.engagement, row.joined_ms, bool(row.driven),
        row.busy or "queue", bool(row.disabled),
    )  # fmt: skip


def member_of_text(row: Sequence[Any]) -> Member:
    """A member from its `MEMBER_TEXT` columns."""
    *author, role, engagement, joined_ms, driven, busy, disabled = row
    return Member(
        Author(*author), role, engagement, joined_ms, bool(driven), busy or "queue", bool(disabled)
    )


@cache
def select_messages() -> Select[Any]:
    """Messages with their authors."""
    same: ColumnElement[bool] = (participants.c.tenant_id == messages.c.tenant_id) & (
        participants.c.id == messages.c.author_id
    )
    columns = [messages.c[name] for name in _MESSAGE_FIELDS]
    return select(*columns, *_AUTHOR).join(participants, same)


def message_of(row: Sequence[Any]) -> Message:
    """A message from the columns of `select_messages` or `MESSAGE_TEXT`, without reactions."""
    values = list(row[:-4])
    values[_MENTION] = tuple(json_value(values[_MENTION]) or ())
    values[_USAGE] = json_value(values[_USAGE])
    values.insert(_AUTHOR_AT, Author(*row[-4:]))
    return Message(*values)


def session_of(row: AnyRow) -> Session:
    return Session(**{c.name: row._mapping[c.name] for c in sessions.c})


@cache
def select_runs() -> Select[Any]:
    return select(*_RUN_COLUMNS)


def run_of(row: AnyRow) -> Run:
    fields = {c.name: row._mapping[c.name] for c in _RUN_COLUMNS}
    return Run(**fields | {"memory": fields["memory"] or {}})


def run_of_text(row: Sequence[Any]) -> Run:
    """A run from its `RUN_TEXT` columns."""
    values = list(row)
    for at in _RUN_JSON:
        values[at] = json_value(values[at])
    run = Run(*values)
    return run if run.memory else replace(run, memory={})


def entry_of_text(row: Sequence[Any]) -> LogEntry:
    """An entry of the log from its `ENTRY_TEXT` columns."""
    room_id, seq, kind, at_ms, ref, data = row
    return LogEntry(room_id, seq, kind, at_ms, ref, json_value(data))
