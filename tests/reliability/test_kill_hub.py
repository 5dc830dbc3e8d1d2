"""The whole hub is killed in the middle of replies; every mention still gets exactly one."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.models.server import ModelServer, run_model_server
from tests.support.hub import HubProcess

KILLS = 20
RECOVERED_S = 20.0
ENDED = {"succeeded", "silent", "failed", "cancelled", "suppressed"}


@pytest.mark.slow
async def test_every_mention_ends_with_one_whole_reply_though_the_hub_is_killed_while_it_is_written(
    tmp_path: Path,
) -> None:
    dice = random.Random(os.environ.get("KILL_SEED"))
    with run_model_server() as upstream:
        hub = _hub(tmp_path, upstream)
        try:
            runs = [await _kill_in_a_reply(hub, upstream, dice) for _ in range(KILLS)]
            replies = await _replies(hub, [run["trigger_message_id"] for run in runs])
            sent = set((await upstream.sent())["texts"])
        finally:
            hub.kill()
    assert {"succeeded": KILLS} == Counter(run["state"] for run in runs)
    assert {1: KILLS} == Counter(len(found) for found in replies.values())
    assert all(found[0]["content"] in sent for found in replies.values())
    assert all(run["attempt"] >= 2 for run in runs), "no kill hit a reply"
    assert max(run["recovered_s"] for run in runs) < RECOVERED_S


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


async def _replies(hub: HubProcess, message_ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    """The replies in the thread of each message."""
    room_id = _room(hub)
    found = {}
    async with hub.async_client() as client:
        for message_id in message_ids:
            path = f"/v1/rooms/{room_id}/messages/{message_id}/thread"
            found[message_id] = (await client.get(path)).json()["data"]["items"][1:]
    return found
