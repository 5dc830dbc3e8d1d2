"""hub/models/relay.py: keys, retries and fallbacks, before the first visible piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from hub.core.chat import (
    ChatMessage,
    ChatPart,
    ChatRequest,
    Finish,
    Sampling,
    TextDelta,
    Usage,
)
from hub.core.errors import Backend, BackendTimeout, ModelUnavailable
from hub.core.models import Price
from hub.models.base import ModelBackend, open_stream
from hub.models.keys import KeyRing
from hub.models.relay import Candidate, Relay

from .asking import ask, reply_of

END = Finish("stop", Usage(1_000, 500))
BROKEN = Backend("broken", transient=True, answered=500)
WRONG_KEY = Backend("refused the hub's key", answered=401)
SLOW = ModelUnavailable("slow down", transient=True, answered=429, retry_after=60)
BAD_REQUEST = Backend("bad prompt", answered=400)
NOT_THERE = Backend("no such path", answered=404)
LATE = BackendTimeout("fell silent", transient=True)
Play = Sequence[ChatPart | Exception]


@dataclass
class Server:
    """Plays the next script each time it is asked, the last one again and again."""

    scripts: list[Play]
    asked: list[tuple[str | None, ChatRequest]] = field(default_factory=list)
    closed: int = 0

    def candidate(self, slug: str, keys: Sequence[str] = (), **more: Any) -> Candidate:
        values = {"context_window": 10_000, "max_output_tokens": 1_000, "retries": 1} | more
        return Candidate(slug, self.serve, ring=KeyRing(keys, lambda: 0.0), **values)

    def serve(self, key: str | None) -> ModelBackend:
        return _Playing(self, key)

    @property
    def keys(self) -> list[str | None]:
        return [key for key, _ in self.asked]


@dataclass
class _Playing:
    server: Server
    key: str | None

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatPart, None]:
        self.server.asked.append((self.key, request))
        scripts = self.server.scripts
        script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        try:
            for item in script:
                if isinstance(item, Exception):
                    raise item
                yield item
                await asyncio.sleep(0)
        finally:
            self.server.closed += 1


def server(*scripts: Play) -> Server:
    return Server(list(scripts))


def says(text: str) -> Play:
    return [TextDelta(text), END]


class Waits:
    """Counts what was slept, and sleeps none of it."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, delay_s: float) -> None:
        self.slept.append(delay_s)


def relay(*candidates: Candidate) -> Relay:
    return Relay(candidates, Waits())


async def test_a_server_that_fails_is_asked_again() -> None:
    one = server([BROKEN], says("hello"))
    assert "hello" == (await reply_of(relay(one.candidate("m")))).text
    assert 2 == len(one.asked)


async def test_retries_are_as_many_as_configured_then_a_fallback_answers() -> None:
    one, two = server([BROKEN]), server(says("from two"))
    reply = await reply_of(relay(one.candidate("a", retries=3), two.candidate("b")))
    assert ("from two", "b", 4) == (reply.text, reply.finish.model, len(one.asked))


async def test_a_wrong_key_gives_its_turn_to_the_next_without_a_retry() -> None:
    one = server([WRONG_KEY], says("hello"))
    await reply_of(relay(one.candidate("m", ("bad", "good"), retries=0)))
    assert ["bad", "good"] == one.keys


async def test_when_every_key_is_refused_the_first_word_is_the_servers() -> None:
    one = server([WRONG_KEY])
    with pytest.raises(Backend, match="refused the hub's key") as caught:
        await reply_of(relay(one.candidate("m", ("bad", "worse"))))
    assert (["bad", "worse"], 502) == (one.keys, caught.value.status)


async def test_a_server_that_wants_a_long_rest_is_left_for_a_fallback_at_once() -> None:
    one, two = server([SLOW]), server(says("two"))
    waits = Waits()
    reply = await reply_of(Relay([one.candidate("a"), two.candidate("b")], waits))
    assert ("two", 1, []) == (reply.text, len(one.asked), waits.slept)


async def test_without_a_fallback_a_slow_down_says_when_to_come_back() -> None:
    with pytest.raises(ModelUnavailable) as caught:
        await reply_of(relay(server([SLOW]).candidate("a")))
    assert (503, "MODEL_UNAVAILABLE", 60) == (
        caught.value.status, caught.value.code, caught.value.retry_after,
    )  # fmt: skip


@pytest.mark.parametrize("error", [NOT_THERE, LATE])
async def test_what_another_try_would_not_help_goes_to_a_fallback(error: Backend) -> None:
    one, two = server([error]), server(says("two"))
    assert "two" == (await reply_of(relay(one.candidate("a"), two.candidate("b")))).text
    assert 1 == len(one.asked)


async def test_a_request_that_is_wrong_is_nobody_elses_business() -> None:
    one, two = server([BAD_REQUEST]), server(says("two"))
    with pytest.raises(Backend, match="bad prompt"):
        await reply_of(relay(one.candidate("a"), two.candidate("b")))
    assert [] == two.asked


async def test_after_the_first_piece_nobody_else_is_asked() -> None:
    one, two = server([TextDelta("half"), BROKEN]), server(says("two"))
    with pytest.raises(Backend, match="broken"):
        await reply_of(relay(one.candidate("a"), two.candidate("b")))
    assert (1, 0) == (len(one.asked), len(two.asked))


async def test_when_nobody_answers_the_first_ones_failure_is_told() -> None:
    with pytest.raises(Backend, match="no such path"):
        await reply_of(relay(server([NOT_THERE]).candidate("a"), server([LATE]).candidate("b")))


async def test_a_fallback_whose_window_is_too_small_is_passed_over() -> None:
    one, two = server([NOT_THERE]), server(says("two"))
    small = two.candidate("b", context_window=10)
    with pytest.raises(Backend, match="no such path"):
        await reply_of(relay(one.candidate("a"), small), ask("word " * 100))
    assert [] == two.asked


async def test_a_reply_is_bounded_by_what_the_model_can_write() -> None:
    one = server(says("x"))
    candidate = one.candidate("a", max_output_tokens=50)
    for asked in (70, 20, None):
        await reply_of(relay(candidate), ask("hi", Sampling(max_tokens=asked)))
    assert [50, 20, None] == [request.sampling.max_tokens for _, request in one.asked]


async def test_usage_says_what_it_costs_at_the_price_of_who_answered() -> None:
    one, two = server([NOT_THERE]), server(says("two"))
    dear, cheap = Price(100, 100), Price(1, 2)
    reply = await reply_of(relay(one.candidate("a", price=dear), two.candidate("b", price=cheap)))
    assert reply.finish.usage is not None
    assert pytest.approx(1_000 * 1e-6 + 500 * 2e-6) == reply.finish.usage.cost


async def test_a_key_that_is_not_set_lets_a_fallback_answer() -> None:
    two = server(says("two"))
    reply = await reply_of(relay(server().candidate("a", lacks="no key"), two.candidate("b")))
    assert "two" == reply.text


async def test_leaving_a_stream_closes_the_servers() -> None:
    one = server([TextDelta("a"), TextDelta("b"), END])
    request = ChatRequest("m", (ChatMessage("user", "hi"),))
    async with open_stream(relay(one.candidate("a")), request) as parts:
        await anext(parts)
        assert 0 == one.closed
    assert 1 == one.closed


async def test_requests_are_counted_by_what_came_of_each() -> None:
    one, two = server([BROKEN], [LATE]), server([SLOW], says("two"))
    first, second = one.candidate("a"), two.candidate("b", ("k1", "k2"))
    await reply_of(relay(first, second))
    assert {"error": 1, "timeout": 1} == first.outcomes
    assert {"unavailable": 1, "ok": 1} == second.outcomes


@pytest.mark.parametrize(("parts", "outcome"), [(1, "cancelled"), (2, "ok")])
async def test_who_leaves_before_the_end_has_cancelled(parts: int, outcome: str) -> None:
    candidate = server(says("hello")).candidate("m")
    async with open_stream(relay(candidate), ask("hi")) as stream:
        for _ in range(parts):
            await anext(stream)
    assert {outcome: 1} == {name: count for name, count in candidate.outcomes.items() if count}


async def test_a_reply_that_breaks_off_is_an_error() -> None:
    candidate = server([TextDelta("he"), BROKEN]).candidate("m")
    with pytest.raises(Backend):
        await reply_of(relay(candidate))
    assert {"error": 1} == candidate.outcomes
