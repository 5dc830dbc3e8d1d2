"""A session whole, however long: its messages are read, written down and sent a page at a time, so
that it weighs no more than a page does. It ends where the session was when it was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final

import orjson

from hub.core.errors import Limited
from hub.core.sessions import markdown_head, markdown_message, session_message
from hub.core.values import Message, Session
from hub.gateway.history import REPLAY_FIRST, REPLAY_PAGE, fitting
from hub.gateway.rest.call import Call
from hub.gateway.streamed import Streamed

_INDENT: Final = orjson.OPT_INDENT_2


@dataclass(frozen=True, slots=True)
class Form:
    """How a session is written down: what comes before its messages, each of them, what stands
    between them, and how it ends, with messages or without."""

    media_type: str
    begin: Callable[[Session], bytes]
    item: Callable[[Message, Session], bytes]
    between: bytes
    end: bytes
    end_empty: bytes


def _begin_answer(session: Session) -> bytes:
    body = {"status": "ok", "data": session.as_dict() | {"messages": []}}
    return orjson.dumps(body).removesuffix(b"]}}")


def _begin_file(session: Session) -> bytes:
    return orjson.dumps(session.as_dict() | {"messages": []}, option=_INDENT).removesuffix(b"]\n}")


def _item_of_file(message: Message, session: Session) -> bytes:
    """Indented as deep as it stands there: text has no bare newlines in JSON."""
    item = orjson.dumps(session_message(message, session), option=_INDENT)
    return b"\n    " + item.replace(b"\n", b"\n    ")


ANSWER: Final = Form(
    "application/json",
    _begin_answer,
    lambda message, session: orjson.dumps(session_message(message, session)),
    b",", b"]}}", b"]}}",
)  # fmt: skip
JSON_FILE: Final = Form(
    "application/json", _begin_file, _item_of_file, b",", b"\n  ]\n}", b"]\n}"
)  # fmt: skip
MARKDOWN: Final = Form(
    "text/markdown",
    lambda session: markdown_head(session).encode(),
    lambda message, session: markdown_message(message, session).encode(),
    b"", b"", b"",
)  # fmt: skip


async def whole(call: Call, form: Form, headers: dict[str, str]) -> Streamed:
    """The session that the path names. What refuses it is told before it begins."""
    session, until = await call.parts.sessions.whole(call.actor, call.path("session_id"))
    pages = _written(call, session, until, form)
    first = await anext(pages)
    return Streamed(_chained(first, pages), form.media_type, headers)


async def _chained(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for part in rest:
            yield part
    finally:
        await rest.aclose()


async def _written(
    call: Call, session: Session, until: int, form: Form
) -> AsyncGenerator[bytes, None]:
    """It in parts of about as many bytes, whatever the size of its messages."""
    lead, after, limit, more = form.begin(session), 0, REPLAY_FIRST, True
    while more:
        found, items = await _page(call, session, form, limit, after, until)
        between = form.between if after and found else b""
        after = found[-1].seq if found else after
        more = len(found) == limit
        end = b"" if more else form.end if after else form.end_empty
        yield lead + between + items + end
        lead, limit = b"", fitting(len(found), len(items) or 1, REPLAY_PAGE)


async def _page(
    call: Call, session: Session, form: Form, limit: int, after: int, until: int
) -> tuple[list[Message], bytes]:
    """One page and its text, in its turn, while the caller's key is good. Once it has begun, an
    answer waits for as long as it takes."""
    while True:
        try:
            async with call.turn(limit):
                call.parts.access.check(call.actor)
                _, found = await call.parts.sessions.messages(
                    call.actor, session.id, limit=limit, before=until + 1, after=after
                )
                return found, form.between.join([form.item(each, session) for each in found])
        except Limited as error:
            if not after:
                raise
            await asyncio.sleep(error.retry_after or 1)
