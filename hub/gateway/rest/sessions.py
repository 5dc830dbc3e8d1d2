"""Sessions: made, listed, read, changed, exported, made into a room."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from hub.core.errors import invalid
from hub.core.metadata import ASKED, FOUND_CHARS
from hub.core.sessions import session_message
from hub.core.text import text_fault
from hub.core.values import Session
from hub.gateway.rest import rooms
from hub.gateway.rest.call import Answer, Call, Operation
from hub.gateway.rest.messages import between, paged
from hub.gateway.rest.whole import ANSWER, JSON_FILE, MARKDOWN, whole
from hub.ports import Asked
from hub.wire.requests import ChangeSession, CreateSession, PromoteSession

_ONE: Final = "/v1/sessions/{session_id}"
_METADATA: Final = "metadata."


async def create(call: Call) -> Answer:
    body = await call.body(CreateSession)
    session = await call.parts.sessions.create(call.actor, body, call.key("sessions", body))
    return Answer(session.as_dict(), 201)


async def page(call: Call) -> Answer:
    """Newest first; those that wait for a person by how long they have. A `queue` is of those that
    wait, or of those that the caller has taken over. `metadata.KEY` narrows each of these down."""
    whole_tenant = call.choice("scope", "tenant") == "tenant"
    status = call.choice("status", "active", "closed")
    sessions = call.parts.sessions
    queue = call.choice("queue", "waiting", "taken")
    if queue and status:
        raise invalid("status", "give either queue or status")
    asked = _asked(call)
    if queue == "taken":
        taken = await sessions.taken(call.actor, call.page("taken"), asked)
        return call.listed("taken", taken, lambda session: str(session.id), Session.as_dict)
    if queue:
        waiting = await sessions.queue(
            call.actor, call.page("queue"), whole_tenant=whole_tenant, asked=asked
        )
        return call.listed("queue", waiting, _place_in_queue, Session.as_dict)
    found = await sessions.page(
        call.actor, whole_tenant=whole_tenant, status=status, page=call.page("sessions"),
        asked=asked,
    )  # fmt: skip
    return call.listed("sessions", found, lambda session: str(session.id), Session.as_dict)


def _asked(call: Call) -> Asked:
    """What `metadata.KEY=VALUE` asks for, all of it at once. The key is all that follows the first
    dot: no path leads into a value."""
    asked = call.queries(_METADATA)
    if len(asked) > ASKED:
        raise invalid("metadata", f"at most {ASKED} keys can be asked for at once")
    for key, value in asked.items():
        name = f"{_METADATA}{key}"
        if fault := text_fault(key):
            raise invalid("metadata", f"a key {fault}")
        if not 1 <= len(key) <= FOUND_CHARS:
            raise invalid(name, f"name a key of 1 to {FOUND_CHARS} characters after the dot")
        if len(value) > FOUND_CHARS:
            raise invalid(name, f"must be at most {FOUND_CHARS} characters")
    return asked


def _place_in_queue(session: Session) -> str:
    return f"{session.waiting_ms}:{session.id}"


async def read(call: Call) -> Answer | Response:
    """The session and its messages in order: all of them unless paged."""
    before = call.number("before")
    if call.query("limit") is None and before is None:
        return await whole(call, ANSWER, {})
    limit = call.limit()
    async with call.turn(limit):
        session, found = await call.parts.sessions.messages(
            call.actor, call.path("session_id"), limit=limit, before=before
        )
        shown = [session_message(message, session) for message in found]
        return Answer(session.as_dict() | {"messages": shown})


async def messages(call: Call) -> Answer:
    """The newest messages, or those before or after a seq; always in rising order."""
    session_id, limit = call.path("session_id"), call.limit()
    name = f"messages/{session_id}"
    before, after = between(call, name)
    session, found = await call.parts.sessions.messages(
        call.actor, session_id, limit=limit + 1, before=before, after=after
    )
    return paged(
        call, name, found, limit, forward=after is not None,
        show=lambda message: session_message(message, session),
    )  # fmt: skip


async def change(call: Call) -> Answer:
    body = await call.body(ChangeSession)
    session = await call.parts.sessions.change(call.actor, call.path("session_id"), body)
    return Answer(session.as_dict())


async def delete(call: Call) -> Answer:
    hard = call.choice("hard", "true", "false") == "true"
    session = await call.parts.sessions.delete(call.actor, call.path("session_id"), hard=hard)
    return Answer(session.as_dict())


async def export(call: Call) -> Response:
    """The session as a file: Markdown to read, or JSON with everything."""
    form = call.choice("format", "md", "json") or "md"
    name = f'attachment; filename="{call.path("session_id")}.{form}"'
    return await whole(call, MARKDOWN if form == "md" else JSON_FILE, {"Content-Disposition": name})


async def promote(call: Call) -> Answer:
    """Make it a room: 201, or 200 with the room that it became before."""
    body = await call.body_if_any(PromoteSession)
    room_id, new = await call.parts.promotions.promote(call.actor, call.path("session_id"), body)
    view = await call.parts.rooms.read(call.actor, room_id)
    return Answer(rooms.whole(view), 201 if new else 200)


OPERATIONS = [
    Operation("POST", "/v1/sessions", create, "Create a session", CreateSession, keyed=True),
    Operation("GET", "/v1/sessions", page, "List the caller's sessions",
              query=("limit", "cursor", "scope", "status", "queue", f"{_METADATA}*")),
    Operation("GET", _ONE, read, "Read a session and its messages", query=("limit", "before"),
              live=True),
    Operation("PATCH", _ONE, change, "Change a session", ChangeSession),
    Operation("DELETE", _ONE, delete, "Delete a session", query=("hard",)),
    Operation("GET", f"{_ONE}/messages", messages, "List a session's messages by seq",
              query=("limit", "cursor", "before", "after")),
    Operation("GET", f"{_ONE}/export", export, "Export a session", query=("format",),
              live=True),
    Operation("POST", f"{_ONE}/promote", promote, "Make a session a room", PromoteSession),
]  # fmt: skip
