"""Events as clients see them: one place that renders a log entry, from the path of a post and
from the database alike."""

from __future__ import annotations

from typing import Any, Final

import orjson

from hub.core.posts import LogEntry
from hub.core.times import rfc3339
from hub.core.values import Draft, Message
from hub.wire.frames import frame

ACCESS_TYPES: Final = frozenset(
    {"member.joined", "member.updated", "member.left", "room.archived", "room.updated"}
)


def event(entry: LogEntry, message: Message | None = None) -> dict[str, Any]:
    """A durable event; `message` is the row a `message.*` entry points at."""
    return {
        "type": entry.type,
        "room_id": entry.room_id,
        "seq": entry.seq,
        "at": rfc3339(entry.at_ms),
        "data": message.as_dict() if message is not None else entry.data or {},
    }


def event_frame(entry: LogEntry, message: Message | None = None) -> bytes:
    """A durable event as one text frame."""
    return frame(orjson.dumps(event(entry, message)))


def ephemeral_frame(kind: str, room_id: str, at_ms: int, data: dict[str, Any]) -> bytes:
    """An event without a seq as one text frame."""
    body = {"type": kind, "room_id": room_id, "at": rfc3339(at_ms), "data": data}
    return frame(orjson.dumps(body))


def event_of(kind: str, data: dict[str, Any], at_ms: int) -> bytes:
    """An event of no room, for one connection, as one text frame."""
    return frame(orjson.dumps({"type": kind, "at": rfc3339(at_ms), "data": data}))


def delta_frame(draft: Draft, room_id: str, offset: int, fresh: str, at_ms: int) -> bytes:
    """What was appended to a draft, as one text frame."""
    data = draft.as_dict() | {"offset": offset, "text": fresh}
    return ephemeral_frame("message.delta", room_id, at_ms, data)


def reply_frame(command_id: Any, data: dict[str, Any]) -> bytes:
    """The answer to a command that succeeded."""
    return frame(orjson.dumps({"type": "reply", "id": command_id, "ok": True, "data": data}))


def error_frame(command_id: Any, error: dict[str, Any]) -> bytes:
    """The answer to a command that was refused."""
    return frame(orjson.dumps({"type": "reply", "id": command_id, "ok": False, "error": error}))
