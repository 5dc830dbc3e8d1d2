"""The demo: two live clients see an AI's reply grow while it is written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hub.cli.demo import Played, check, facts, play
from hub.cli.reach import Reached, Stop
from hub.cli.screens import Unseen
from hub.client import open_client
from tests.cli.command import roomhub_process
from tests.support.hub import HubProcess, run_hub

DELTAS_AT_LEAST = 5


@pytest.fixture
async def played(hub: HubProcess) -> Played:
    return await play(Reached(hub.address, hub.key), Unseen())


async def test_each_client_sees_the_reply_in_pieces_that_join_to_what_is_stored(
    hub: HubProcess, played: Played
) -> None:
    async with open_client(hub.address, hub.key) as admin:
        message = await admin.message(played.room_id, played.reply["id"])
    for seen in (played.alice, played.bob):
        times = [delta.at_ms for delta in seen.deltas]
        assert DELTAS_AT_LEAST <= len(times) == len(set(times))
        assert sorted(times) == times
        assert played.asked_ms < times[0]
        assert message["content"] == seen.text
        assert message == seen.message
        assert "succeeded" == seen.finished["state"]
    assert played.nonce in message["content"]
    assert played.whole


async def test_the_question_with_its_nonce_is_the_root_and_has_one_reply(
    hub: HubProcess, played: Played
) -> None:
    async with open_client(hub.address, hub.key) as admin:
        said = await admin.messages(played.room_id)
        root, *replies = await admin.thread(played.room_id, played.reply["thread_id"])
    assert ["user_alice", "user_bob", "user_carol", "bot_design_reviewer"] == [
        message["author"]["id"] for message in said
    ]
    assert played.nonce in root["content"]
    assert [played.reply["id"]] == [reply["id"] for reply in replies]


async def test_its_keys_are_revoked_at_the_end(hub: HubProcess, played: Played) -> None:
    async with open_client(hub.address, hub.key) as admin:
        made = [key for key in await admin.keys() if key["name"] == "demo"]
    assert {"user_alice", "user_bob", "user_carol"} == {key["participant_id"] for key in made}
    assert all(key["revoked_at"] and key["expires_at"] for key in made)


async def test_the_facts_name_what_was_seen(played: Played) -> None:
    line = facts(played)
    assert f"Alice saw {len(played.alice.deltas)} deltas" in line
    assert "equal the stored reply" in line
    assert played.nonce in line


async def test_the_command_is_plain_in_a_pipe(hub: HubProcess) -> None:
    done = await asyncio.to_thread(roomhub_process, "demo", data_dir=hub.data_dir)
    assert (0, "") == (done.status, done.err)
    assert "\x1b" not in done.out
    assert "Design Reviewer is writing:" in done.out
    assert "equal the stored reply" in done.out.splitlines()[-1]


async def test_no_running_hub_is_one_clear_line(tmp_path: Path) -> None:
    done = await asyncio.to_thread(roomhub_process, "demo", data_dir=tmp_path)
    assert (1, "") == (done.status, done.out)
    assert 1 == len(done.err.splitlines())
    assert "roomhub up" in done.err


async def test_a_wrong_key_is_one_clear_line(hub: HubProcess) -> None:
    done = await asyncio.to_thread(
        roomhub_process, "demo", "--key", "rhk_a_b", data_dir=hub.data_dir
    )
    assert (1, "") == (done.status, done.out)
    assert 1 == len(done.err.splitlines())
    assert "refuses the key" in done.err


async def test_a_key_that_makes_no_keys_is_refused(hub: HubProcess) -> None:
    async with open_client(hub.address, hub.key) as admin:
        key = await admin.create_key({"name": "plain", "participant_id": "user_alice"})
    with pytest.raises(Stop, match="tenant_admin"):
        await check(Reached(hub.address, key["key"]))


async def test_a_hub_without_the_demos_people_is_named(tmp_path: Path) -> None:
    with run_hub(tmp_path, "--no-demo") as hub:
        with pytest.raises(Stop, match="has no user_alice"):
            await check(Reached(hub.address, hub.key))


async def test_an_ai_that_fails_is_one_clear_line(tmp_path: Path) -> None:
    """The reviewer's model is at an address where nobody listens."""
    config = tmp_path / "hub.toml"
    config.write_text('[models."test/away"]\nbase_url = "http://127.0.0.1:9/v1"\n')
    with run_hub(tmp_path / "data", env={"HUB_CONFIG": str(config)}) as hub:
        driver = {"driver": {"kind": "model", "model": "test/away"}}
        with hub.client() as client:
            path = "/v1/participants/bot_design_reviewer"
            client.patch(path, json=driver).raise_for_status()
        done = await asyncio.to_thread(roomhub_process, "demo", data_dir=hub.data_dir)
    assert 1 == done.status
    assert 1 == len(done.err.splitlines())
    assert "the AI did not answer" in done.err
