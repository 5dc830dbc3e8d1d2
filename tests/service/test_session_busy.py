"""A second message while a reply is written, as the session has it: reject, queue or interrupt."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.errors import Conflict
from hub.core.posts import Posted
from hub.core.values import Session
from hub.parts import Parts
from hub.service.requests import request_key
from hub.wire.bodies import validate
from hub.wire.requests import ChangeSession, CreateSession, SendMessage
from tests.support.parts import ACME, ALICE


async def new(parts: Parts, **fields: Any) -> Session:
    body = validate(CreateSession, {"model": "builtin/echo"} | fields)
    return await parts.sessions.create(ALICE, body)


async def say(parts: Parts, session: Session, content: str, key: str | None = None) -> Posted:
    body = SendMessage(content=content)
    return await parts.sessions.post(ALICE, session, body, request_key(ALICE, "send", key, body))


async def test_a_session_that_rejects_takes_nothing_while_a_reply_is_written(
    parts: Parts,
) -> None:
    session = await new(parts, busy="reject")
    first = await say(parts, session, "one", "k")
    with pytest.raises(Conflict) as caught:
        await say(parts, session, "two")
    assert "SESSION_BUSY" == caught.value.code
    assert first.message_id == (await say(parts, session, "one", "k")).message_id
    await parts.rewriting.cancel(ALICE, session.id)
    assert "two" == (await say(parts, session, "two")).message.content


async def test_a_session_queues_unless_it_says_otherwise(parts: Parts) -> None:
    session = await new(parts)
    assert "queue" == session.busy
    runs = [(await say(parts, session, content)).runs[0] for content in ("one", "two")]
    states = [await parts.store.runs.get(ACME, run.id) for run in runs]
    assert ["queued", "queued"] == [run and run.state for run in states]


async def test_a_session_that_interrupts_ends_what_is_written(parts: Parts) -> None:
    session = await new(parts)
    run = (await say(parts, session, "one")).runs[0]
    await parts.store.runs.claim(run.id, "w", 60_000)
    await parts.sessions.change(ALICE, session.id, ChangeSession(busy="interrupt"))
    posted = await say(parts, session, "two")
    assert (run.id,) == posted.cut
    cut = await parts.store.runs.get(ACME, run.id)
    assert cut is not None
    assert "newer" == cut.cancelled_by
