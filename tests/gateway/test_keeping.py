"""`hub.gateway.keeping`: what bots work on is renewed together, and withdrawn when it was lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from hub.core.errors import Conflict, HubError, Unavailable
from hub.core.values import Actor, Run
from hub.gateway.commands import RunAccept, RunReply
from hub.gateway.desk import Desk
from hub.gateway.keeping import Keeping
from hub.ports import Renewed
from hub.service.answers import Answers
from tests.core.nouns import run
from tests.support.parts import ELIZA, actor
from tests.support.redis import until

BOT = actor(ELIZA)


class StillAnswers(Answers):
    """Renews when it may the newest attempts at what is not `lost`, and knows what was renewed,
    ended and given back."""

    def __init__(self) -> None:
        self.renewing, self.may_renew = asyncio.Event(), asyncio.Event()
        self.may_renew.set()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.renewed: list[list[str]] = []
        self.lost: set[str] = set()
        self.cut: set[str] = set()
        self.ended: list[str] = []
        self.released: list[str] = []
        self.attempts = Counter[str]()
        self.faults: list[Exception] = []

    async def accept(self, actor: Actor, run_id: str, connection_id: str) -> Run:
        self.attempts[run_id] += 1
        return replace(run(run_id), attempt=self.attempts[run_id])

    def _holds(self, run: Run) -> bool:
        return run.id not in self.lost and run.attempt == self.attempts[run.id]

    async def renew(self, runs: Sequence[Run]) -> Renewed:
        self.renewing.set()
        await self.may_renew.wait()
        self.renewed.append([each.id for each in runs])
        kept = [
            replace(each, cancelled_by="user_alice" if each.id in self.cut else None)
            for each in runs
            if self._holds(each)
        ]
        lost = {(each.id, each.attempt) for each in runs if not self._holds(each)}
        return Renewed(kept, frozenset(lost))

    async def cancelled(self, run: Run) -> None:
        await self.may_end.wait()
        if self.faults:
            raise self.faults.pop()
        self.ended.append(run.id)

    async def release(self, run: Run) -> None:
        self.released.append(run.id)

    async def reply(self, run: Run, content: str) -> Run:
        return replace(run, state="succeeded")


class Bot:
    """A connection, as far as it holds runs."""

    def __init__(self, answers: Answers, number: int) -> None:
        self.desk = Desk(answers, f"conn_{number}")
        self.withdrawn: list[str] = []

    def withdraw(self, run_id: str) -> None:
        self.withdrawn.append(run_id)

    async def take(self, *run_ids: str) -> None:
        for run_id in run_ids:
            await self.desk.do(BOT, accept(run_id))


def accept(run_id: str) -> Any:
    return RunAccept(type="run.accept", run_id=run_id)


@pytest.fixture
def answers() -> StillAnswers:
    return StillAnswers()


@pytest.fixture
async def bots(answers: StillAnswers) -> AsyncIterator[list[Bot]]:
    """Three, whose runs are kept while the test lasts."""
    found = [Bot(answers, number) for number in range(3)]
    keeping = Keeping(answers, lambda: found, renew_s=0.02)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each()) for each in (keeping.renew, keeping.end)]
        yield found
        for task in tasks:
            task.cancel()


async def test_what_all_bots_work_on_is_renewed_by_one_call(
    answers: StillAnswers, bots: list[Bot]
) -> None:
    await bots[0].take("run_1", "run_2")
    await bots[2].take("run_3")
    await until(lambda: bool(answers.renewed))
    assert ["run_1", "run_2", "run_3"] == answers.renewed[0]


async def test_one_that_is_slow_to_end_keeps_no_other_from_being_renewed(
    answers: StillAnswers, bots: list[Bot]
) -> None:
    answers.may_end.clear()
    answers.cut = {"run_1"}
    await bots[0].take("run_1")
    await bots[1].take("run_2")
    await until(lambda: len(answers.renewed) > 2)
    assert [] == bots[0].withdrawn
    answers.may_end.set()
    await until(lambda: ["run_1"] == bots[0].withdrawn)
    assert "run_1" in answers.ended
    assert ["run_2"] == [run.id for run in bots[1].desk.taken]


@pytest.mark.parametrize("fault", [Conflict("it has ended", code="RUN_STATE"), HubError("gone")])
async def test_one_that_somebody_else_has_ended_is_withdrawn(
    answers: StillAnswers, bots: list[Bot], fault: Exception
) -> None:
    answers.cut, answers.faults = {"run_1"}, [fault]
    await bots[0].take("run_1")
    await until(lambda: ["run_1"] == bots[0].withdrawn)


async def test_one_that_cannot_be_ended_now_is_ended_later(
    answers: StillAnswers, bots: list[Bot]
) -> None:
    answers.cut, answers.faults = {"run_1"}, [Unavailable("away"), ValueError("of nobody")]
    await bots[0].take("run_1")
    await until(lambda: ["run_1"] == bots[0].withdrawn)
    assert ["run_1"] == answers.ended


async def test_a_run_that_was_lost_is_withdrawn(answers: StillAnswers, bots: list[Bot]) -> None:
    answers.lost = {"run_1"}
    await bots[0].take("run_1", "run_2")
    await until(lambda: ["run_1"] == bots[0].withdrawn)
    assert ["run_2"] == [run.id for run in bots[0].desk.taken]


async def test_a_run_that_was_given_back_while_it_was_renewed_is_given_back_again(
    answers: StillAnswers, bots: list[Bot]
) -> None:
    answers.may_renew.clear()
    await bots[0].take("run_1")
    await bots[1].take("run_2")
    await answers.renewing.wait()
    await bots[0].desk.close()
    assert ["run_1"] == answers.released
    answers.may_renew.set()
    await until(lambda: ["run_1", "run_1"] == answers.released)


async def test_a_run_that_was_answered_meanwhile_is_not_withdrawn(
    answers: StillAnswers, bots: list[Bot]
) -> None:
    answers.may_renew.clear()
    answers.lost = {"run_1", "run_2"}
    await bots[0].take("run_1", "run_2")
    await answers.renewing.wait()
    await bots[0].desk.do(BOT, RunReply(type="run.reply", run_id="run_1", content="done"))
    answers.may_renew.set()
    await until(lambda: bool(bots[0].withdrawn))
    assert ["run_2"] == bots[0].withdrawn


async def test_of_two_that_hold_one_run_the_earlier_is_told_and_the_later_keeps_it(
    answers: StillAnswers, bots: list[Bot]
) -> None:
    """As when its lease ran out while the database was away."""
    for first, then, run_id in ((0, 1, "run_1"), (1, 0, "run_2")):
        await bots[first].take(run_id)
        await bots[then].take(run_id)
    await until(lambda: [["run_1"], ["run_2"]] == [bot.withdrawn for bot in bots[:2]])
    assert [["run_2"], ["run_1"]] == [[run.id for run in bot.desk.taken] for bot in bots[:2]]
    assert {"run_1": 2, "run_2": 2} == Counter(answers.renewed[0])
