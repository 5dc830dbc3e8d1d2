"""A bot without an address dials in with its own key, and answers through its connection."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.e2e.encodings import Encoding
from tests.e2e.listening import Listener, listening
from tests.e2e.people import Person, add_room, finished, named
from tests.support.hub import HubProcess
from tests.support.redis import until


@dataclass(frozen=True, slots=True)
class Stage:
    """A room of a person and a socket bot."""

    hub: HubProcess
    encoding: Encoding
    person: Person
    bot: Person
    room_id: str

    def ask(self, content: str = "hello") -> str:
        """Mention the bot; the id of its run."""
        body = {"content": content, "mention": [{"type": "bot", "id": self.bot.id}]}
        path = f"/v1/rooms/{self.room_id}/messages"
        posted = self.person.client.post(path, json=body).raise_for_status().json()["data"]
        return str(posted["runs"][0]["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.person.client.get(f"/v1/runs/{run_id}").json()["data"]
        return found

    @contextlib.asynccontextmanager
    async def dialled_in(self) -> AsyncIterator[Listener]:
        async with listening(self.hub, self.bot, self.encoding) as line:
            yield line

    async def until(self, run_id: str, state: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def reached() -> bool:
            found.append(self.run(run_id))
            return bool(found[-1]["state"] == state)

        await until(reached)
        return found[-1]


@pytest.fixture
def stage(hub: HubProcess, encoding: Encoding, person: Person) -> Iterator[Stage]:
    bot_id = named("bot_dial")
    with hub.client() as admin:
        body = {"type": "bot", "id": bot_id, "name": "Dial", "driver": {"kind": "socket"}}
        admin.post("/v1/participants", json=body).raise_for_status()
        made = admin.post("/v1/api-keys", json={"name": "dial", "participant_id": bot_id})
        key = made.raise_for_status().json()["data"]
    bot_headers = {"Authorization": f"Bearer {key['key']}"}
    with httpx.Client(base_url=hub.address, headers=bot_headers, trust_env=False) as client:
        bot = Person(bot_id, key["key"], key["id"], client)
        yield Stage(hub, encoding, person, bot, add_room(person, [bot_id]))


def is_offer(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "run.offered")


async def test_an_offered_run_is_accepted_streamed_and_answered(stage: Stage) -> None:
    async with (
        stage.dialled_in() as bot,
        listening(stage.hub, stage.person, stage.encoding) as seen,
    ):
        await seen.subscribe(stage.room_id)
        run_id = stage.ask("what of zxq81?")
        offer = (await bot.until(is_offer))["data"]
        assert (run_id, "what of zxq81?") == (offer["run"]["id"], offer["message"]["content"])
        assert offer["token"]
        assert offer["context"]
        assert (await bot.ask("run.accept", run_id=run_id))["ok"]
        assert "running" == stage.run(run_id)["state"]
        for offset, text in ((0, "about "), (6, "zxq81")):
            assert (await bot.ask("run.delta", run_id=run_id, offset=offset, text=text))["ok"]
        wrong = await bot.ask("run.delta", run_id=run_id, offset=3, text="x")
        assert ("VALIDATION_ERROR", "offset") == (
            wrong["error"]["code"], wrong["error"]["details"][0]["field"],
        )  # fmt: skip
        assert (await bot.ask("run.reply", run_id=run_id, content="about zxq81."))["ok"]
        await seen.until(lambda event: event["type"] == "run.finished")
    deltas = [e["data"]["text"] for e in seen.events if e["type"] == "message.delta"]
    assert ["about ", "zxq81"] == deltas
    assert "about zxq81." == seen.contents[-1]
    assert "succeeded" == finished(stage.person, run_id)["state"]


async def test_a_bot_that_dials_in_later_is_offered_what_waits(stage: Stage) -> None:
    run_id = stage.ask()
    assert "socket" not in str((await stage.until(run_id, "waiting"))["error"])
    async with stage.dialled_in() as bot:
        assert run_id == (await bot.until(is_offer))["data"]["run"]["id"]
        assert (await bot.ask("run.silence", run_id=run_id))["ok"]
    assert "silent" == stage.run(run_id)["state"]


async def test_of_two_connections_one_takes_the_run(stage: Stage) -> None:
    async with stage.dialled_in() as one, stage.dialled_in() as other:
        run_id = stage.ask()
        for bot in (one, other):
            await bot.until(is_offer)
        taken = [await bot.ask("run.accept", run_id=run_id) for bot in (one, other)]
        assert [True, False] == [reply["ok"] for reply in taken]
        assert "RUN_NOT_FOUND" == taken[1]["error"]["code"]
        assert (await one.ask("run.fail", run_id=run_id, message="no idea"))["ok"]
    run = stage.run(run_id)
    assert ("failed", "no idea") == (run["state"], run["error"]["message"])


async def test_nobody_else_takes_a_bots_run(stage: Stage, stranger: Person) -> None:
    run_id = stage.ask()
    await stage.until(run_id, "waiting")
    for person in (stranger, stage.person):
        async with listening(stage.hub, person, stage.encoding) as line:
            for command, more in (("run.accept", {}), ("run.reply", {"content": "mine"})):
                refused = await line.ask(command, run_id=run_id, **more)
                assert "RUN_NOT_FOUND" == refused["error"]["code"]
    assert "waiting" == stage.run(run_id)["state"]


async def test_a_cancelled_run_is_withdrawn_and_its_answer_refused(stage: Stage) -> None:
    async with (
        stage.dialled_in() as bot,
        listening(stage.hub, stage.person, stage.encoding) as seen,
    ):
        run_id = stage.ask()
        await bot.until(is_offer)
        assert (await bot.ask("run.delta", run_id=run_id, offset=0, text="half an"))["ok"]
        assert (await seen.ask("cancel", run_id=run_id))["ok"]
        await bot.until(lambda event: event["type"] == "run.withdrawn")
        refused = await bot.ask("run.reply", run_id=run_id, content="late")
        assert "RUN_NOT_FOUND" == refused["error"]["code"]
    run = stage.run(run_id)
    assert ("cancelled", f"cancelled by {stage.person.id}") == (run["state"], run["reason"])
    path = f"/v1/rooms/{stage.room_id}/messages/{run['reply_message_id']}"
    reply = stage.person.client.get(path).json()["data"]
    assert ("cancelled", "half an") == (reply["status"], reply["content"])


async def test_a_run_whose_bot_went_away_is_offered_again(stage: Stage) -> None:
    async with stage.dialled_in() as bot:
        run_id = stage.ask()
        await bot.until(is_offer)
        assert (await bot.ask("run.accept", run_id=run_id))["ok"]
        bot.socket.transport.abort()
    async with stage.dialled_in() as again:
        await again.until(is_offer)
        assert (await again.ask("run.reply", run_id=run_id, content="back"))["ok"]
    run = stage.run(run_id)
    assert ("succeeded", 4) == (run["state"], run["attempt"])
