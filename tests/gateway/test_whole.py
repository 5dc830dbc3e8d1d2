"""`hub.gateway.rest.whole`: a session in pages of about as many bytes, each in its turn."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from hub.core.errors import Limited, Unauthenticated
from hub.core.values import Actor, Message, Session
from hub.gateway.history import REPLAY_BYTES, REPLAY_FIRST, REPLAY_PAGE
from hub.gateway.rest.whole import ANSWER, whole
from hub.gateway.turns import Turns
from tests.core.nouns import ALICE, message
from tests.core.test_sessions import SESSION
from tests.support.redis import until

from .test_sse import SCOPE, Browser


@dataclass
class Long:
    """The use cases of a session of so many messages of so many bytes; remembers what was asked."""

    sizes: list[int]
    limits: list[int] = field(default_factory=list)

    async def whole(self, actor: object, session_id: str) -> tuple[Session, int]:
        return SESSION, len(self.sizes)

    async def messages(
        self, actor: object, session_id: str, *, limit: int, before: int, after: int
    ) -> tuple[Session, list[Message]]:
        self.limits.append(limit)
        seqs = range(after + 1, min(after + limit, before - 1) + 1)
        return SESSION, [_message(seq, self.sizes[seq - 1]) for seq in seqs]


def _message(seq: int, size: int) -> Message:
    return message(f"msg_{seq}", ALICE, "x" * size)._replace(seq=seq)


class Asked:
    """A call for a session."""

    def __init__(self, sizes: list[int], turns: Turns | None = None) -> None:
        self.sessions, self.turns = Long(sizes), turns or Turns()
        self.actor = None
        self.browser = Browser()
        self.key_is_good = True

    @property
    def parts(self) -> Any:
        return self

    @property
    def access(self) -> Any:
        return self

    def check(self, actor: Actor) -> None:
        if not self.key_is_good:
            raise Unauthenticated("the key was revoked")

    def path(self, name: str) -> str:
        return "sess_1"

    def turn(self, entries: int) -> Any:
        return self.turns.hold(entries, "key_a")

    async def answered(self) -> list[int]:
        """The seqs of the answer."""
        answer = await whole(self, ANSWER, {})  # type: ignore[arg-type]
        await answer(SCOPE, self.browser.receive, self.browser.send)
        data = orjson.loads(b"".join(self.browser.got))["data"]
        return [each["seq"] for each in data["messages"]]


@pytest.mark.parametrize("count", [0, 1, REPLAY_FIRST, REPLAY_FIRST + 1, REPLAY_FIRST + 200])
async def test_all_messages_come_however_many_pages_they_fill(count: int) -> None:
    asked = Asked([10] * count)
    assert list(range(1, count + 1)) == await asked.answered()
    assert asked.browser.complete


async def test_pages_are_as_large_as_their_messages_are_small() -> None:
    asked = Asked([100] * 300 + [30_000] * 300 + [100] * 300)
    assert list(range(1, 901)) == await asked.answered()
    assert REPLAY_FIRST == asked.sessions.limits[0]
    assert REPLAY_PAGE == max(asked.sessions.limits)
    large = [len(part) for part in asked.browser.got if len(part) > REPLAY_BYTES * 1.5]
    assert len(large) <= 1  # the first page of those that are large


async def test_what_refuses_it_is_told_before_it_begins() -> None:
    asked = Asked([10] * 200, Turns(waiting=0))
    async with asked.turns.hold(400, "key_of_another"):
        with pytest.raises(Limited):
            await asked.answered()
    assert [] == asked.browser.got


class Watched(Turns):
    """Counts how often somebody asked for a turn."""

    asked = 0

    def hold(self, entries: int, key_id: str) -> Any:
        self.asked += 1
        return super().hold(entries, key_id)


class Pausing(Browser):
    """Takes no more after the first part until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def send(self, message: Any) -> None:
        await super().send(message)
        if self.got:
            self.begun.set()
            await self.go_on.wait()


async def test_an_answer_that_has_begun_waits_for_its_turn() -> None:
    turns, browser = Watched(waiting=0), Pausing()
    asked = Asked([10] * 200, turns)
    asked.browser = browser
    task = asyncio.create_task(asked.answered())
    await browser.begun.wait()
    async with turns.hold(400, "key_of_another"):
        before = turns.asked
        browser.go_on.set()
        await until(lambda: turns.asked > before)
    assert list(range(1, 201)) == await task


async def test_an_answer_breaks_off_when_its_key_is_good_no_longer() -> None:
    browser = Pausing()
    asked = Asked([10] * 300)
    asked.browser = browser
    answer = await whole(asked, ANSWER, {})  # type: ignore[arg-type]
    task = asyncio.create_task(answer(SCOPE, browser.receive, browser.send))
    await browser.begun.wait()
    asked.key_is_good = False
    browser.go_on.set()
    await task
    assert not browser.complete
    assert [REPLAY_FIRST] == asked.sessions.limits
