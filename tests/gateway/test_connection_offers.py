"""A bot's `Connection` while its runs are looked up: it is served meanwhile, and can end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from hub.core.values import Actor, Run
from hub.gateway.gateway import Gateway
from hub.parts import Parts, now_ms
from hub.service.answers import Answers
from tests.support.parts import ELIZA, Ticker, actor, add_room

from .test_connection import Talk, talking

PATIENCE_S = 5.0


class SlowAnswers(Answers):
    """Has nothing to offer, and says so when it may."""

    def __init__(self) -> None:
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def offered(self, actor: Actor) -> list[Run]:
        self.asked.set()
        await self.may_answer.wait()
        return []


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
    serving = asyncio.create_task(talk.connection.run())
    await answers.asked.wait()
    talk.connection.on_closed()
    answers.may_answer.set()
    await asyncio.wait_for(serving, PATIENCE_S)
    assert not gateway.connections
