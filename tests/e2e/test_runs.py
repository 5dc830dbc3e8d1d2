"""AI participants from outside: called, cut short, tried again, answered late, held back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.e2e.bots import Answer, Bots, endless, open_bots
from tests.e2e.listening import listening
from tests.e2e.people import Person, add_person, add_room, finished, named
from tests.support.hub import HubProcess, run_hub
from tests.support.redis import until

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """A hub that may call the test's own bots, and a person who owns rooms on it."""

    hub: HubProcess
    bots: Bots
    person: Person

    def add_bot(self, answer: Answer, **driver: Any) -> str:
        """The id of a new webhook bot that answers this."""
        bot_id = named("bot_hook")
        url = self.bots.says(f"/{bot_id}", answer)
        body = {"type": "bot", "id": bot_id, "name": bot_id.title(),
                "driver": {"kind": "webhook", "url": url} | driver}  # fmt: skip
        with self.hub.client() as admin:
            made = admin.post("/v1/participants", json=body).raise_for_status().json()["data"]
        assert made["secret"].startswith("whsec_")
        return bot_id

    def post(self, room_id: str, content: str, **fields: Any) -> Json:
        path = f"/v1/rooms/{room_id}/messages"
        answer = self.person.client.post(path, json={"content": content} | fields)
        found: Json = answer.raise_for_status().json()["data"]
        return found

    def call(self, room_id: str, bot_id: str, content: str = "hello") -> str:
        """The run that a mention starts."""
        posted = self.post(room_id, content, mention=[{"type": "bot", "id": bot_id}])
        return str(posted["runs"][0]["id"])

    def get(self, path: str) -> Any:
        return self.person.client.get(path).raise_for_status().json()["data"]

    def run(self, run_id: str) -> Json:
        found: Json = self.get(f"/v1/runs/{run_id}")
        return found

    async def until(self, run_id: str, state: str) -> Json:
        await until(lambda: bool(self.run(run_id)["state"] == state), 20)
        return self.run(run_id)

    def messages(self, room_id: str) -> list[Json]:
        items: list[Json] = self.get(f"/v1/rooms/{room_id}/messages?limit=200")["items"]
        return items


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with open_bots() as bots:
        env = {"HUB_OUTBOUND_ALLOW": f"127.0.0.1:{bots.port}", "HUB_SWEEP_S": "0.5"}
        with run_hub(tmp_path_factory.mktemp("runs"), env=env) as hub:
            person = add_person(hub, "caller")
            with person.client:
                yield Stage(hub, bots, person)


async def test_a_streaming_run_is_cut_upstream_and_keeps_its_text(stage: Stage) -> None:
    bot_id = stage.add_bot(lambda _: (200, endless()))
    room_id = add_room(stage.person, [bot_id])
    async with listening(stage.hub, stage.person) as seen:
        await seen.subscribe(room_id)
        stage.bots.cut.clear()
        run_id = stage.call(room_id, bot_id)
        await seen.until(lambda event: event["type"] == "message.delta")
        assert "running" == stage.run(run_id)["state"]
        stage.person.client.post(f"/v1/runs/{run_id}/cancel").raise_for_status()
        await seen.until(lambda event: event["type"] == "run.finished")
    assert await asyncio.to_thread(stage.bots.cut.wait, 5)
    run = stage.run(run_id)
    assert ("cancelled", f"cancelled by {stage.person.id}") == (run["state"], run["reason"])
    assert run["usage"]["estimated"]
    reply = stage.messages(room_id)[-1]
    assert ("cancelled", "tick") == (reply["status"], reply["content"].split()[0])
    assert {"thinking"} <= {e["data"]["text"] for e in seen.events if e["type"] == "run.status"}


async def test_a_run_that_failed_is_tried_again_and_its_reply_replaced(stage: Stage) -> None:
    answers = iter([(400, {"error": "no"}), (200, {"content": "now it works"})])
    bot_id = stage.add_bot(lambda _: next(answers))
    room_id = add_room(stage.person, [bot_id])
    run_id = stage.call(room_id, bot_id)
    assert "failed" == finished(stage.person, run_id)["state"]
    assert "failed" == stage.messages(room_id)[-1]["status"]
    made = stage.person.client.post(f"/v1/runs/{run_id}/retry")
    assert 201 == made.status_code
    again = finished(stage.person, made.json()["data"]["id"])
    assert ("succeeded", 1) == (again["state"], again["generation"])
    thread = [m for m in stage.messages(room_id) if m["thread_id"] and not m["deleted_at"]]
    assert ["now it works"] == [m["content"] for m in thread]
    refused = stage.person.client.post(f"/v1/runs/{run_id}/retry")
    assert (409, "RUN_STATE") == (refused.status_code, refused.json()["error"]["code"])


async def test_a_bot_answers_late_by_its_token_and_is_seen_writing(stage: Stage) -> None:
    bot_id = stage.add_bot(lambda _: (202, {}))
    room_id = add_room(stage.person, [bot_id])
    async with listening(stage.hub, stage.person) as seen:
        await seen.subscribe(room_id)
        run_id = stage.call(room_id, bot_id, "what of zxq81?")
        await stage.until(run_id, "waiting")
        asked = next(
            body["data"] for body in iter(stage.bots.asked.get, None)
            if body["data"].get("run", {}).get("id") == run_id
        )  # fmt: skip
        at = f"{stage.hub.address}/v1/runs/{run_id}"
        assert f"{at}/reply" == asked["reply_url"]
        async with httpx.AsyncClient(
            headers={"Authorization": f"Bearer {asked['token']}"}, trust_env=False
        ) as bot:
            for offset, text in ((0, "zxq81 "), (6, "is fine")):
                grown = await bot.post(f"{at}/deltas", json={"offset": offset, "text": text})
                assert 200 == grown.status_code
            wrong = await bot.post(f"{at}/deltas", json={"offset": 1, "text": "x"})
            assert "offset" == wrong.json()["error"]["details"][0]["field"]
            other = stage.call(room_id, bot_id)
            foreign = await bot.post(
                f"{stage.hub.address}/v1/runs/{other}/reply", json={"content": "x"}
            )
            assert 401 == foreign.status_code
            done = await bot.post(f"{at}/reply", json={"content": "zxq81 is fine."})
            assert "succeeded" == done.raise_for_status().json()["data"]["state"]
            again = await bot.post(f"{at}/reply", json={"content": "zxq81 is fine."})
            assert (200, done.json()) == (again.status_code, again.json())
            twice = await bot.post(f"{at}/reply", json={"content": "twice"})
            assert 409 == twice.status_code
        await seen.until(lambda e: e["type"] == "run.finished" and e["data"]["run_id"] == run_id)
    assert ["zxq81 ", "is fine"] == [
        e["data"]["text"] for e in seen.events if e["type"] == "message.delta"
    ]
    assert "zxq81 is fine." in seen.contents
    stage.person.client.post(f"/v1/runs/{other}/cancel").raise_for_status()
    await stage.until(other, "cancelled")
    told = next(b for b in iter(lambda: stage.bots.asked.get(timeout=10), None)
                if b["type"] == "run.cancelled")  # fmt: skip
    assert other in str(told)


async def test_two_bots_that_call_each_other_for_ever_stop_at_the_cap(stage: Stage) -> None:
    names: dict[str, str] = {}

    def calling(data: Json) -> tuple[int, Json]:
        return 200, {"content": f"over to you, @{names[data['participant']['id']]}"}

    first, second = stage.add_bot(calling), stage.add_bot(calling)
    names |= {first: second.removeprefix("bot_"), second: first.removeprefix("bot_")}
    room_id = add_room(stage.person, [first, second])
    stage.call(room_id, first)

    def held() -> bool:
        runs = stage.get(f"/v1/rooms/{room_id}/runs")["items"]
        return any(run["state"] == "suppressed" for run in runs)

    await until(held, 20)
    runs = stage.get(f"/v1/rooms/{room_id}/runs")["items"]
    assert [7, 6, 5, 4, 3, 2, 1] == [run["depth"] for run in runs]
    assert "depth 7 is over the cap of 6" in runs[0]["reason"]
    assert {"succeeded"} == {run["state"] for run in runs[1:]}
    assert 7 == len(stage.messages(room_id))


async def test_two_bots_that_post_by_their_own_keys_for_ever_stop_at_the_cap(
    stage: Stage,
) -> None:
    bots = [named("bot_own"), named("bot_own")]
    keys = []
    with stage.hub.client() as admin:
        for bot_id in bots:
            made = {"type": "bot", "id": bot_id, "name": "Own"}
            admin.post("/v1/participants", json=made).raise_for_status()
            wanted = {"name": "own", "participant_id": bot_id}
            key = admin.post("/v1/api-keys", json=wanted).raise_for_status().json()
            keys.append({"Authorization": f"Bearer {key['data']['key']}"})
    room_id = add_room(stage.person, bots)
    stage.post(room_id, "begin", mention=[{"type": "bot", "id": bots[0]}])
    path, said = f"/v1/rooms/{room_id}/messages", 0
    async with httpx.AsyncClient(base_url=stage.hub.address, trust_env=False) as client:
        for said in range(20):
            body = {"content": "go on", "mention": [{"type": "bot", "id": bots[1 - said % 2]}]}
            answer = await client.post(path, json=body, headers=keys[said % 2])
            if answer.status_code != 201:
                break
    assert (429, 5) == (answer.status_code, said)
    assert "a person must speak first" in answer.json()["error"]["message"]
    assert 6 == len(stage.messages(room_id))


async def test_several_that_are_called_by_handle_answer_each_their_own_run(stage: Stage) -> None:
    bots = [stage.add_bot(lambda data: (200, {"content": data["participant"]["id"]}))
            for _ in range(3)]  # fmt: skip
    room_id = add_room(stage.person, bots)
    text = " ".join(f"@{bot.removeprefix('bot_')}" for bot in bots)
    posted = stage.post(room_id, f"{text} and `@nobody`")
    assert bots == [ref["id"] for ref in posted["mention"]]
    for run in posted["runs"]:
        assert "succeeded" == finished(stage.person, run["id"])["state"]
    replies = stage.messages(room_id)[1:]
    assert sorted(bots) == sorted(message["content"] for message in replies)
    assert {posted["id"]} == {message["thread_id"] for message in replies}


async def test_who_would_answer_is_told_and_nothing_stored(stage: Stage) -> None:
    bot_id, other = (stage.add_bot(lambda _: (200, {"content": "x"})) for _ in range(2))
    room_id = add_room(stage.person, [bot_id, other, stage.person.id])
    path = f"/v1/rooms/{room_id}/messages?dry_run=true"
    body = {"content": f"@{bot_id.removeprefix('bot_')}?"}
    seen = stage.person.client.post(path, json=body).raise_for_status().json()["data"]
    assert [bot_id] == [each["participant"]["id"] for each in seen["would_run"]]
    assert [(other, "it is not mentioned")] == [
        (each["participant"]["id"], each["reason"]) for each in seen["would_not_run"]
    ]
    assert [] == stage.messages(room_id)


async def test_a_room_that_is_paused_or_has_spent_its_budget_says_so(stage: Stage) -> None:
    bot_id = stage.add_bot(lambda _: (200, {"content": "x"}))
    room_id = add_room(stage.person, [bot_id])

    def answer(settings: Json) -> tuple[str, str, str]:
        room = f"/v1/rooms/{room_id}"
        stage.person.client.patch(room, json={"settings": settings}).raise_for_status()
        run = stage.post(room_id, "hi", mention=[{"type": "bot", "id": bot_id}])["runs"][0]
        return run["state"], run.get("reason", ""), run.get("warning", {}).get("code", "")

    assert ("suppressed", "the room is paused", "") == answer({"paused": True})
    assert ("queued", "", "") == answer({"paused": False})
    budget = {"budget": {"runs": 1}}
    assert ("queued", "", "BUDGET_NEARLY_SPENT") == answer(budget)
    assert ("suppressed", "the room's budget of 1 runs a day is used up", "") == answer(budget)
    wrong = stage.person.client.patch(
        f"/v1/rooms/{room_id}", json={"settings": {"budget": {"runs": "many"}}}
    )
    assert (422, "settings") == (
        wrong.status_code, wrong.json()["error"]["details"][0]["field"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("engagement", "counts"),
    [("mention", [0, 0]), ("thread", [0, 1]), ("always", [1, 1]), ("off", [0, 0])],
)
async def test_engagement_says_who_answers_without_being_called(
    stage: Stage, engagement: str, counts: list[int]
) -> None:
    bot_id = stage.add_bot(lambda _: (200, {"content": "here"}))
    room_id = add_room(stage.person, [bot_id])
    root = stage.post(room_id, "root", mention=[{"type": "bot", "id": bot_id}])
    finished(stage.person, root["runs"][0]["id"])
    member = f"/v1/rooms/{room_id}/members/{bot_id}"
    stage.person.client.patch(member, json={"engagement": engagement}).raise_for_status()
    path = f"/v1/rooms/{room_id}/messages/{root['id']}/reply"
    plain = stage.post(room_id, "nobody named")
    inside = stage.person.client.post(path, json={"content": "go on"}).json()["data"]
    assert counts == [len(plain["runs"]), len(inside["runs"])]


async def test_a_bot_that_is_gone_is_asked_no_more(stage: Stage) -> None:
    bot_id = stage.add_bot(lambda _: (410, {}))
    room_id = add_room(stage.person, [bot_id])
    assert "failed" == finished(stage.person, stage.call(room_id, bot_id))["state"]
    with stage.hub.client() as admin:
        known = admin.get(f"/v1/participants/{bot_id}").json()["data"]
    assert known["driver"] is None


async def test_a_bot_that_fails_for_a_moment_is_asked_again(stage: Stage) -> None:
    tries = itertools.count(1)
    bot_id = stage.add_bot(
        lambda _: (200, {"content": "third time"}) if next(tries) == 3 else (503, {})
    )
    room_id = add_room(stage.person, [bot_id])
    run = finished(stage.person, stage.call(room_id, bot_id))
    assert ("succeeded", 1) == (run["state"], run["attempt"])
    assert "third time" == stage.messages(room_id)[-1]["content"]


async def test_usage_is_for_admins_and_sums_up(stage: Stage) -> None:
    assert 403 == stage.person.client.get("/v1/usage").status_code
    bot_id = stage.add_bot(lambda _: (200, {"content": "x"}))
    room_id = add_room(stage.person, [bot_id])
    finished(stage.person, stage.call(room_id, bot_id))
    with stage.hub.client() as admin:
        rows = admin.get("/v1/usage?group_by=participant").json()["data"]["items"]
        assert [1] == [row["runs"] for row in rows if row["key"] == bot_id]
        wrong = admin.get("/v1/usage?group_by=colour")
    assert (422, "group_by") == (
        wrong.status_code, wrong.json()["error"]["details"][0]["field"],
    )  # fmt: skip


async def test_a_secret_is_rotated_and_shown_once(stage: Stage) -> None:
    bot_id = stage.add_bot(lambda _: (200, {"content": "x"}))
    with stage.hub.client() as admin:
        path = f"/v1/participants/{bot_id}"
        rotated = admin.patch(path, json={"rotate_secret": True}).json()["data"]
        assert rotated["secret"].startswith("whsec_")
        assert "secret" not in admin.get(path).json()["data"]
        wrong = admin.patch("/v1/participants/user_alice", json={"rotate_secret": True})
    assert (422, "rotate_secret") == (
        wrong.status_code, wrong.json()["error"]["details"][0]["field"],
    )  # fmt: skip
    room_id = add_room(stage.person, [bot_id])
    assert "succeeded" == finished(stage.person, stage.call(room_id, bot_id))["state"]
