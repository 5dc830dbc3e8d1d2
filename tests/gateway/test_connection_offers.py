"""A bot's `Connection` while its runs are looked up: it is served meanwhile, and can end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from hub.core.values import Actor, Run
from hub.gateway.closes import RESTARTING, RESUME
from hub.gateway.gateway import Gateway
from hub.parts import Parts, now_ms
from hub.service.answers import Answers
from tests.core.nouns import run
from tests.support.parts import ELIZA, Ticker, actor, add_room
from tests.support.redis import until

from .test_connection import Talk, talking


class SlowAnswers(Answers):
    """Has nothing to offer, and says so when it may; knows what was given back."""

    def __init__(self) -> None:
        self.given_back: list[str] = []
        self.faults: list[Exception] = []
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def offered(self, actor: Actor) -> list[Run]:
        self.asked.set()
        await self.may_answer.wait()
        if self.faults:
            raise self.faults.pop()
        return []

    async def accept(self, actor: Actor, run_id: str, connection_id: str) -> Run:
        return run(run_id)

    async def release(self, run: Run) -> None:
        if self.faults:
            raise self.faults.pop()
        self.given_back.append(run.id)


@pytest.fixture
def answers() -> SlowAnswers:
    return SlowAnswers()


@pytest.fixture
async def gateway(parts: Parts, answers: SlowAnswers) -> AsyncIterator[Gateway]:
    await add_room(parts.store)
    opened = Gateway(replace(parts, answers=answers))
    async with opened.running():
        yield opened


async def test_a_command_that_comes_meanwhile_is_answered(
    gateway: Gateway, answers: SlowAnswers
) -> None:
    async with talking(gateway, actor(ELIZA)) as talk:
        await answers.asked.wait()
        ping = talk.send("ping")
        answers.may_answer.set()
        assert (await talk.socket.reply_to(ping))["ok"]


async def test_who_goes_meanwhile_leaves_nothing_behind(
    gateway: Gateway, answers: SlowAnswers
) -> None:
    talk = Talk(gateway, Ticker(now_ms()))
    talk.connection.greet(actor(ELIZA))
    await answers.asked.wait()
    talk.connection.on_closed()
    answers.may_answer.set()
    assert not gateway.connections
    await until(lambda: not gateway.errands.under_way)


async def test_what_a_bot_had_taken_is_free_when_it_goes(
    gateway: Gateway, answers: SlowAnswers
) -> None:
    answers.may_answer.set()
    async with talking(gateway, actor(ELIZA)) as talk:
        assert (await talk.ask("run.accept", run_id="run_1"))["ok"]
    await until(lambda: answers.given_back == ["run_1"])


async def test_what_a_bot_had_taken_is_free_when_it_cannot_be_served(
    gateway: Gateway, answers: SlowAnswers
) -> None:
    answers.may_answer.set()
    async with talking(gateway, actor(ELIZA)) as talk:
        assert (await talk.ask("run.accept", run_id="run_1"))["ok"]
        answers.faults = [ValueError("a row that cannot be read")]
        talk.connection.reoffer()
        await until(lambda: answers.given_back == ["run_1"])
        assert (RESTARTING, RESUME) == talk.socket.closed


async def test_one_run_that_cannot_be_given_back_keeps_no_other(
    gateway: Gateway, answers: SlowAnswers
) -> None:
    answers.may_answer.set()
    async with talking(gateway, actor(ELIZA)) as talk:
        for run_id in ("run_1", "run_2"):
            assert (await talk.ask("run.accept", run_id=run_id))["ok"]
        answers.faults = [ValueError("a row that cannot be written")]
    await until(lambda: answers.given_back == ["run_1"])
