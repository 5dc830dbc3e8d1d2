"""`hub.service.rewriting`: a reply asked for again."""

from __future__ import annotations

import pytest

from hub.core.errors import Conflict, Missing, ModelUnavailable
from hub.core.posts import RequestKey
from hub.parts import Parts
from hub.ports import Reply
from hub.wire.bodies import validate
from hub.wire.requests import CreateSession
from tests.support.parts import ADMIN, ALICE, AT_MS, ELIZA

from .test_handling import new, say

KEY = RequestKey("acme/user_alice/regenerate", "k", "same")


async def test_a_retry_by_the_same_key_attaches_to_the_reply_that_is_written(parts: Parts) -> None:
    session = await new(parts)
    first = (await say(parts, ALICE, session.id, "one")).runs[0]
    await parts.store.runs.claim(first.id, "w", 60_000)
    await parts.store.runs.finish(first.id, 1, Reply("succeeded", "fine", AT_MS))
    _, asked, again = await parts.rewriting.regenerate(ALICE, session.id, {}, KEY)
    assert (1, "one", "queued") == (again.generation, asked.content, again.state)
    assert (asked.id, again.id) == tuple(
        each.id for each in (await parts.rewriting.regenerate(ALICE, session.id, {}, KEY))[1:]
    )
    with pytest.raises(Conflict) as caught:
        await parts.rewriting.regenerate(ALICE, session.id, {})
    assert "SESSION_BUSY" == caught.value.code


async def test_where_nothing_was_said_nothing_is_answered_anew(parts: Parts) -> None:
    session = await new(parts)
    with pytest.raises(Missing, match="nothing to answer yet"):
        await parts.rewriting.regenerate(ALICE, session.id, {})


async def test_no_reply_gives_way_to_one_that_cannot_come(parts: Parts) -> None:
    session = await parts.sessions.create(ALICE, validate(CreateSession, {"model": ELIZA}))
    first = (await say(parts, ALICE, session.id, "one")).runs[0]
    await parts.store.runs.claim(first.id, "w", 60_000)
    await parts.store.runs.finish(first.id, 1, Reply("succeeded", "fine", AT_MS))
    _, _, again = await parts.rewriting.regenerate(ALICE, session.id, {}, KEY)
    await parts.store.runs.claim(again.id, "w", 60_000)
    await parts.store.runs.finish(again.id, 1, Reply("succeeded", "better", AT_MS))
    await parts.participants.disable(ADMIN, ELIZA)
    with pytest.raises(ModelUnavailable, match="out of use"):
        await parts.rewriting.regenerate(ALICE, session.id, {})
    _, messages = await parts.sessions.messages(ALICE, session.id, limit=9)
    assert ["one", "better"] == [message.content for message in messages]
    same = (await parts.rewriting.regenerate(ALICE, session.id, {}, KEY))[2]
    assert again.id == same.id
