"""`python -m tests.reliability.kills`: the whole hub is killed in the middle of replies.

Prints how the mentions ended and how soon; exits 1 when one has not exactly one whole reply.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.client import connect

from hub.core.runs import ENDED
from tests.models.server import ModelServer, run_model_server
from tests.support.hub import HubProcess

RECOVERED_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The run of each mention with `recovered_s`, the texts of its replies, and every whole text
    that the model sent."""

    runs: list[dict[str, Any]]
    replies: list[list[str]]
    sent: set[str]

    def faults(self) -> list[str]:
        """Every promise that was broken; empty when all were kept."""
        found = []
        for run, replies in zip(self.runs, self.replies, strict=True):
            if run["state"] != "succeeded" or run["attempt"] < 2:
                found.append(f"{run['id']} {run['state']} in attempt {run['attempt']}")
            if len(replies) != 1 or not self.sent.issuperset(replies):
                found.append(f"{run['id']} has the replies {replies}")
            if run["recovered_s"] > RECOVERED_S:
                found.append(f"{run['id']} took {run['recovered_s']:.1f} s")
        return found

    def __str__(self) -> str:
        states = Counter(run["state"] for run in self.runs)
        finals = Counter(len(replies) for replies in self.replies)
        recovered = sorted(run["recovered_s"] for run in self.runs)
        return (
            f"{len(self.runs)} kills; runs {dict(states)}; replies per mention {dict(finals)}; "
            f"ended {statistics.median(recovered):.1f} s after the start, "
            f"at most {recovered[-1]:.1f} s"
        )


async def measure(folder: Path, kills: int, seed: int | None = None) -> Outcome:
    """Kill a hub in `folder` as often, each time while it writes a reply."""
    dice = random.Random(seed)
    with run_model_server() as upstream:
        hub = _hub(folder, upstream)
        try:
            runs = [await _kill_in_a_reply(hub, upstream, dice) for _ in range(kills)]
            replies = await _replies(hub, [run["trigger_message_id"] for run in runs])
            return Outcome(runs, replies, set((await upstream.sent())["texts"]))
        finally:
            hub.kill()


def _hub(folder: Path, upstream: ModelServer) -> HubProcess:
    config = folder / "hub.toml"
    config.write_text(
        f'[models."test/gated"]\nbase_url = "{upstream.base_url}"\nupstream_model = "gated"\n'
    )
    hub = HubProcess(folder / "data", {"HUB_CONFIG": str(config)})
    hub.start()
    with hub.client() as client:
        driver = {"kind": "model", "model": "test/gated"}
        bot = {"type": "bot", "id": "bot_gated", "name": "Gated", "driver": driver}
        client.post("/v1/participants", json=bot).raise_for_status()
        room = {"name": "Killed", "initial_members": [{"type": "bot", "id": "bot_gated"}]}
        client.post("/v1/rooms", json=room).raise_for_status()
    return hub


def _room(hub: HubProcess) -> str:
    with hub.client() as client:
        rooms = client.get("/v1/rooms").json()["data"]["items"]
    return next(str(room["id"]) for room in rooms if room["name"] == "Killed")


async def _kill_in_a_reply(
    hub: HubProcess, upstream: ModelServer, dice: random.Random
) -> dict[str, Any]:
    """Post, kill the hub when the reply is half written, start it, wait for the run's end."""
    run_id = await _post_and_see_the_reply_begin(hub)
    await asyncio.sleep(dice.uniform(0, 0.15))
    asked = (await upstream.stats())["requests"]
    hub.kill()
    hub.start()
    began = time.monotonic()
    await upstream.stats(requests=asked + 1)
    async with hub.async_client() as client:
        while True:
            await upstream.open_gates()
            run: dict[str, Any] = (await client.get(f"/v1/runs/{run_id}")).json()["data"]
            waited = time.monotonic() - began
            if run["state"] in ENDED or waited > 2 * RECOVERED_S:
                return run | {"recovered_s": waited}
            await asyncio.sleep(0.02)


async def _post_and_see_the_reply_begin(hub: HubProcess) -> str:
    room_id = _room(hub)
    async with connect(hub.ws_address, additional_headers=hub.headers) as socket:
        await socket.send(json.dumps({"id": 1, "type": "subscribe", "room_id": room_id}))
        mention = [{"type": "bot", "id": "bot_gated"}]
        post = {"id": 2, "type": "post", "room_id": room_id, "content": "go", "mention": mention}
        await socket.send(json.dumps(post))
        run_id = ""
        async with asyncio.timeout(15):
            async for text in socket:
                event = json.loads(text)
                if event["type"] == "reply" and event["id"] == 2:
                    run_id = event["data"]["runs"][0]["id"]
                if event["type"] == "message.delta":
                    return run_id
    raise AssertionError("no reply began")


async def _replies(hub: HubProcess, message_ids: list[str]) -> list[list[str]]:
    """The texts of the replies in the thread of each message."""
    room_id, found = _room(hub), []
    async with hub.async_client() as client:
        for message_id in message_ids:
            path = f"/v1/rooms/{room_id}/messages/{message_id}/thread"
            items = (await client.get(path)).json()["data"]["items"]
            found.append([reply["content"] for reply in items[1:]])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        outcome = asyncio.run(measure(Path(folder), given.kills, given.seed))
    print("\n".join([str(outcome), *outcome.faults()]))
    return int(bool(outcome.faults()))


if __name__ == "__main__":
    sys.exit(main())
