"""Messages and threads of a room."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hub.core.errors import invalid
from hub.core.text import emoji_fault
from hub.core.values import Json, Message
from hub.gateway.rest.call import Answer, Call, Operation
from hub.service.messages import posted_answer
from hub.wire.requests import EditMessage, MarkRead, PostMessage


async def post(call: Call) -> Answer:
    body = await call.body(PostMessage)
    room_id = call.path("room_id")
    if _dry(call):
        return Answer(await call.parts.messages.preview(call.actor, room_id, body))
    posted = await call.parts.messages.post(
        call.actor, room_id, body, key=call.key(f"post/{room_id}/", body)
    )
    return Answer(posted_answer(posted), 201)


async def reply(call: Call) -> Answer:
    body = await call.body(PostMessage)
    room_id, root_id = call.path("room_id"), call.path("message_id")
    if _dry(call):
        seen = await call.parts.messages.preview(call.actor, room_id, body, thread_id=root_id)
        return Answer(seen)
    posted = await call.parts.messages.post(
        call.actor, room_id, body, thread_id=root_id,
        key=call.key(f"post/{room_id}/{root_id}", body),
    )  # fmt: skip
    return Answer(posted_answer(posted), 201)


def _dry(call: Call) -> bool:
    """Whether only to say who would answer."""
    return call.choice("dry_run", "true", "false") == "true"


async def read(call: Call) -> Answer:
    message = await call.parts.messages.get(
        call.actor, call.path("room_id"), call.path("message_id")
    )
    return Answer(message.as_dict())


async def edit(call: Call) -> Answer:
    body = await call.body(EditMessage)
    room_id, message_id = call.path("room_id"), call.path("message_id")
    await call.parts.editing.edit(call.actor, room_id, message_id, body.content)
    return await read(call)


async def delete(call: Call) -> Answer:
    room_id, message_id = call.path("room_id"), call.path("message_id")
    await call.parts.editing.delete(call.actor, room_id, message_id)
    return await read(call)


async def react(call: Call) -> Answer:
    return await _react(call, present=True)


async def unreact(call: Call) -> Answer:
    return await _react(call, present=False)


async def _react(call: Call, *, present: bool) -> Answer:
    room_id, message_id = call.path("room_id"), call.path("message_id")
    emoji = str(call.request.path_params["emoji"])
    if fault := emoji_fault(emoji):
        raise invalid("emoji", fault)
    await call.parts.editing.react(call.actor, room_id, message_id, emoji, present=present)
    return await read(call)


async def mark_read(call: Call) -> Answer:
    """How far the caller has read, and what is left."""
    body = await call.body(MarkRead)
    room_id = call.path("room_id")
    return Answer(await call.parts.reading.mark(call.actor, room_id, body.seq, body.thread_id))


async def page(call: Call) -> Answer:
    """The newest messages, or those before, after or around a seq; always in rising order."""
    around = call.number("around")
    if around is not None and (call.query("before") or call.query("after")):
        raise invalid("around", "give one of before, after and around")
    room_id, limit = call.path("room_id"), call.limit()
    if around is not None and call.query("cursor") is None:
        return await _around(call, room_id, around, limit)
    name = f"messages/{room_id}"
    before, after = between(call, name)
    found = await call.parts.messages.page(
        call.actor, room_id, limit=limit + 1, before=before, after=after
    )
    return paged(call, name, found, limit, forward=after is not None)


async def _around(call: Call, room_id: str, seq: int, limit: int) -> Answer:
    """Half of the page up to the seq and half after it; the next page goes on behind it."""
    messages = call.parts.messages
    older = await messages.page(
        call.actor, room_id, limit=(limit + 1) // 2, before=seq + 1, after=None
    )
    rest = limit - len(older)
    newer = await messages.page(call.actor, room_id, limit=rest + 1, before=None, after=seq)
    shown = [*older, *newer[:rest]]
    last = shown[-1].seq if shown else seq
    more = call.next(f"messages/{room_id}", f">{last}") if len(newer) > rest else None
    return Answer([m.as_dict() for m in shown], next_cursor=more, is_list=True)


def between(call: Call, name: str) -> tuple[int | None, int | None]:
    """The seqs before, or after, which a page of messages is asked for."""
    before, after = call.number("before"), call.number("after")
    if before is not None and after is not None:
        raise invalid("after", "give either before or after")
    if (cursor := call.cursor(name)) is not None:
        way, seq = cursor[0], int(cursor[1:])
        before, after = (seq, None) if way == "<" else (None, seq)
    return before, after


def paged(
    call: Call,
    name: str,
    found: Sequence[Message],
    limit: int,
    *,
    forward: bool,
    show: Callable[[Message], Json] = Message.as_dict,
) -> Answer:
    """A page of messages that was read with one more than `limit`."""
    more = len(found) > limit
    shown = (found[:limit] if forward else found[-limit:]) if more else found
    cursor = None
    if more:
        edge = f">{shown[-1].seq}" if forward else f"<{shown[0].seq}"
        cursor = call.next(name, edge)
    return Answer([show(m) for m in shown], next_cursor=cursor, is_list=True)


async def thread(call: Call) -> Answer:
    """The root first, then its replies."""
    room_id, message_id = call.path("room_id"), call.path("message_id")
    name = f"thread/{room_id}/{message_id}"
    cursor = call.cursor(name)
    after = int(cursor[1:]) if cursor else call.number("after") or 0
    found = await call.parts.messages.thread(
        call.actor, room_id, message_id, after=after, limit=call.limit() + 1
    )
    return paged(call, name, found, call.limit(), forward=True)


_ROOM = "/v1/rooms/{room_id}"
_MESSAGE = f"{_ROOM}/messages/{{message_id}}"
OPERATIONS = [
    Operation(
        "POST", f"{_ROOM}/messages", post, "Post a message", PostMessage, query=("dry_run",),
        keyed=True,
    ),
    Operation(
        "GET",
        f"{_ROOM}/messages",
        page,
        "List messages by seq",
        query=("limit", "cursor", "before", "after", "around"),
    ),
    Operation("GET", _MESSAGE, read, "Read a message"),
    Operation("PATCH", _MESSAGE, edit, "Edit a message", EditMessage),
    Operation("DELETE", _MESSAGE, delete, "Delete a message"),
    Operation("PUT", f"{_MESSAGE}/reactions/{{emoji}}", react, "React to a message"),
    Operation("DELETE", f"{_MESSAGE}/reactions/{{emoji}}", unreact, "Take a reaction back"),
    Operation("POST", f"{_ROOM}/read", mark_read, "Say how far one has read", MarkRead),
    Operation(
        "POST", f"{_MESSAGE}/reply", reply, "Reply in a message's thread", PostMessage,
        query=("dry_run",), keyed=True,
    ),
    Operation(
        "GET", f"{_MESSAGE}/thread", thread, "Read a thread", query=("limit", "cursor", "after")
    ),
]  # fmt: skip
