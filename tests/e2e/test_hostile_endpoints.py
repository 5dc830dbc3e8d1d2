"""Models and webhooks that hang, drip, flood, lie or break off: every run ends in time, and says in
the thread what went wrong."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from tests.e2e.people import Person, add_person, add_room, finished, named
from tests.models.server import ModelServer, run_model_server
from tests.support.hub import HubProcess, run_hub
from tests.workers.drivers.hook_server import HookServer, run_hook_server

DEADLINE_S: Final = 2.0
SLACK_S: Final = 20.0  # of a machine that is busy with others
LATE: Final = "within 2 s"
MODELS: Final = {
    "silent": LATE, "hang": LATE, "drip": LATE, "endless-line": "more than",
    "gzip": "Content-Encoding gzip", "early-close": "", "truncated": "", "html": "text/html",
    "error-frame": "", "status-500": "500", "status-401": "401",
}  # fmt: skip
HOOKS: Final = {
    "silent": LATE, "hang": LATE, "drip": LATE, "endless": "more than",
    "bomb": "Content-Encoding gzip", "early-close": "the connection", "garbage": "the connection",
    "nothing": "the connection",
}  # fmt: skip
QUERIES: Final[dict[str, dict[str, object]]] = {
    "endless": {"kind": "application/json", "body": '"xxxxxxx"', "times": 1000},
    "bomb": {"status": 200},
}


def settings(models: ModelServer, hooks: HookServer, folder: Path) -> dict[str, str]:
    """A hub that knows every bad model, and gives a run two seconds."""
    config = folder / "hub.toml"
    config.write_text("".join(
        f'[models."bad/{name}"]\nbase_url = "{models.base_url}"\nupstream_model = "{name}"\n'
        "retries = 0\n" for name in MODELS
    ))  # fmt: skip
    return {
        "HUB_CONFIG": str(config), "HUB_RUN_DEADLINE_S": str(DEADLINE_S),
        "HUB_OUTBOUND_ALLOW": f"127.0.0.1:{hooks.port}",
    }  # fmt: skip


def add_bots(hub: HubProcess, hooks: HookServer) -> dict[str, str]:
    """What each of them is expected to say, by id."""
    bots = {}
    for name, said in MODELS.items():
        bots[_add(hub, "persona", {"kind": "model", "model": f"bad/{name}"})] = said
    for name, said in HOOKS.items():
        url = hooks.url(name, **QUERIES.get(name, {}))
        bots[_add(hub, "bot", {"kind": "webhook", "url": url})] = said
    return bots


def _add(hub: HubProcess, kind: str, driver: dict[str, str]) -> str:
    bot_id = named(f"{kind}_x")
    with hub.client() as admin:
        made = {"type": kind, "id": bot_id, "name": "X", "driver": driver}
        admin.post("/v1/participants", json=made).raise_for_status()
    return bot_id


def ask(person: Person, participant_id: str) -> tuple[str, str]:
    """A room of its own, and the run that a mention starts there."""
    room_id = add_room(person, [participant_id])
    mention = [{"type": participant_id.split("_")[0], "id": participant_id}]
    path = f"/v1/rooms/{room_id}/messages"
    posted = person.client.post(path, json={"content": "go", "mention": mention})
    return room_id, str(posted.raise_for_status().json()["data"]["runs"][0]["id"])


def check(person: Person, room_id: str, run_id: str, said: str) -> None:
    """The run has failed, and the thread was told in words."""
    run = finished(person, run_id)
    reply = person.client.get(f"/v1/rooms/{room_id}/messages").json()["data"]["items"][-1]
    assert ("failed", "failed") == (run["state"], reply["status"]), run
    assert "Sorry, I could not answer: " in reply["content"]
    assert said in reply["content"]
    assert "Traceback" not in reply["content"]


def test_whatever_an_endpoint_does_the_run_ends_in_time_and_the_thread_is_told(
    tmp_path: Path,
) -> None:
    with run_model_server() as models, run_hook_server() as hooks:
        env = settings(models, hooks, tmp_path)
        with run_hub(tmp_path / "data", env=env) as hub:
            person, bots = add_person(hub, "victim"), add_bots(hub, hooks)
            with person.client:
                asked = {bot_id: ask(person, bot_id) for bot_id in bots}
                began = time.monotonic()
                for bot_id, (room_id, run_id) in asked.items():
                    check(person, room_id, run_id, bots[bot_id])
                assert time.monotonic() - began < DEADLINE_S + SLACK_S
                assert 200 == person.client.get("/readyz").status_code
