"""Events as clients see them: one place that renders a log entry, from the path of a post and
from the database alike."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import orjson

from hub.core.posts import LogEntry
from hub.core.times import rfc3339
from hub.core.values import Author, Draft, Message
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
    if message is not None and _is_new(entry, message):
        return frame(_created(entry, message))
    return frame(orjson.dumps(event(entry, message)))


def _is_new(entry: LogEntry, message: Message) -> bool:
    """Whether a message is as a post makes it: what happens later has not happened to it."""
    return (
        entry.type == "message.created"
        and message.status == "final"
        and message.reply_count == 0
        and message.edited_ms is message.deleted_ms is message.last_reply_ms is None
        and message.run_id is None
        and not message.reactions
    )


def _created(entry: LogEntry, message: Message) -> bytes:
    """`event` of a new message, joined from its pieces: most events are that, and to make the
    dictionaries first takes twice as long. Ids and times need no escaping."""
    at = rfc3339(entry.at_ms)
    created = at if message.created_ms == entry.at_ms else rfc3339(message.created_ms)
    thread = f'"{message.thread_id}"' if message.thread_id else "null"
    mention = _text(message.mention) if message.mention else "[]"
    client = _text(message.client_id) if message.client_id else "null"
    return (
        f'{{"type":"message.created","room_id":"{entry.room_id}","seq":{entry.seq},"at":"{at}",'
        f'"data":{{"id":"{message.id}","room_id":"{message.room_id}","seq":{message.seq},'
        f'"thread_id":{thread},"author":{_author(message.author)},'
        f'"content":{_text(message.content)},"mention":{mention},"created_at":"{created}",'
        '"edited_at":null,"deleted_at":null,"reply_count":0,"last_reply_at":null,"reactions":{},'
        f'"client_id":{client},"run_id":null,"status":"final"}}}}'
    ).encode()


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


@lru_cache(maxsize=4_096)
def _author(author: Author) -> str:
    return _text(author.as_dict())


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


def stored_frame(command_id: Any, message_id: str, seq: int) -> bytes:
    """The answer to a post that set nobody to work, joined from its pieces: most are that."""
    about = command_id if type(command_id) is int else _text(command_id)
    stored = f'{{"id":"{message_id}","seq":{seq},"runs":[]}}'
    return frame(f'{{"type":"reply","id":{about},"ok":true,"data":{stored}}}'.encode())


def error_frame(command_id: Any, error: dict[str, Any]) -> bytes:
    """The answer to a command that was refused."""
    return frame(orjson.dumps({"type": "reply", "id": command_id, "ok": False, "error": error}))
