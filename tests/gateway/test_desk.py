"""`hub.gateway.desk`: the runs that a bot works on are renewed, and only those."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from hub.core.values import Actor, Run
from hub.gateway.commands import RunAccept, RunReply
from hub.gateway.desk import Desk
from hub.service.answers import Answers
from tests.core.nouns import run
from tests.support.parts import ELIZA, actor

BOT = actor(ELIZA)


class StillAnswers(Answers):
    """Renews when it may, and knows what was renewed and given back."""

    def __init__(self) -> None:
        self.renewing, self.may_renew = asyncio.Event(), asyncio.Event()
        self.renewed: list[str] = []
        self.kept = True

    async def accept(self, actor: Actor, run_id: str, connection_id: str) -> Run:
        return run(run_id)

    async def renew(self, run: Run) -> Run | None:
        self.renewing.set()
        await self.may_renew.wait()
        self.renewed.append(run.id)
        return run if self.kept else None

    async def release(self, run: Run) -> None:
        return

    async def reply(self, run: Run, content: str) -> Run:
        return replace(run, state="succeeded")


def accept(run_id: str) -> Any:
    return RunAccept(type="run.accept", run_id=run_id)


async def test_a_run_that_was_given_back_meanwhile_is_not_taken_again() -> None:
    answers = StillAnswers()
    desk = Desk(answers, "conn_1")
    for run_id in ("run_1", "run_2"):
        await desk.do(BOT, accept(run_id))
    keeping = asyncio.create_task(desk.keep())
    await answers.renewing.wait()
    await desk.close()
    answers.may_renew.set()
    assert [] == await keeping
    assert ["run_1"] == answers.renewed


async def test_a_run_that_was_answered_meanwhile_is_not_withdrawn() -> None:
    answers = StillAnswers()
    answers.kept = False
    desk = Desk(answers, "conn_1")
    await desk.do(BOT, accept("run_1"))
    keeping = asyncio.create_task(desk.keep())
    await answers.renewing.wait()
    await desk.do(BOT, RunReply(type="run.reply", run_id="run_1", content="done"))
    answers.may_renew.set()
    assert [] == await keeping


async def test_a_run_that_was_lost_is_withdrawn() -> None:
    answers = StillAnswers()
    answers.kept = False
    answers.may_renew.set()
    desk = Desk(answers, "conn_1")
    await desk.do(BOT, accept("run_1"))
    assert ["run_1"] == await desk.keep()
    assert desk.empty
