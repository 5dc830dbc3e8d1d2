"""`roomhub rooms`, against a running hub: people read tables and lines, programs JSON."""

from __future__ import annotations

import contextlib
import secrets
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hub.cli.pipes import BROKEN_PIPE, INTERRUPTED
from tests.cli.command import Ended, refused, roomhub, roomhub_process
from tests.cli.tailing import HIDE_CURSOR, SHOW_CURSOR, Tail, run_on_terminal, run_tail
from tests.client.proxy import run_proxy
from tests.support.hub import HubProcess, run_hub

REVIEWER = {"type": "bot", "id": "bot_design_reviewer"}


def at(hub: HubProcess, *arguments: str) -> Ended:
    return roomhub(*arguments, data_dir=hub.data_dir)


def make_room(hub: HubProcess, *members: dict[str, str]) -> dict[str, Any]:
    body = {"name": f"R {secrets.token_hex(4)}", "initial_members": list(members)}
    with hub.client() as client:
        answer = client.post("/v1/rooms", json=body)
    found: dict[str, Any] = answer.json()["data"]
    return found


def say(hub: HubProcess, room: dict[str, Any], text: str) -> dict[str, Any]:
    with hub.client() as client:
        answer = client.post(f"/v1/rooms/{room['id']}/messages", json={"content": text})
    found: dict[str, Any] = answer.json()["data"]
    return found


def test_an_admin_sees_every_room_of_the_tenant_and_anybody_else_their_own(hub: HubProcess) -> None:
    room = make_room(hub)
    key = at(hub, "keys", "create", "bob", "--participant", "user_bob", "--json").json["key"]
    everything = at(hub, "rooms", "list", "--json").json
    bobs = at(hub, "rooms", "list", "--json", "--key", key).json
    assert room["id"] in [each["id"] for each in everything]
    assert room["id"] not in [each["id"] for each in bobs]
    assert "Design Review" in [each["name"] for each in bobs]
    header, *lines = at(hub, "rooms", "list").out.splitlines()
    assert ["id", "name"] == header.split()[:2]
    assert any(room["id"] in line and room["name"] in line for line in lines)


def test_a_room_is_shown_with_its_head_and_its_members_by_id_or_name(hub: HubProcess) -> None:
    room = make_room(hub, REVIEWER)
    shown = at(hub, "rooms", "show", room["name"].upper()).out
    assert f"head         {room['head']}" in shown.splitlines()
    assert "bot_design_reviewer" in shown
    whole = at(hub, "rooms", "show", room["id"], "--json").json
    assert (room["id"], 2) == (whole["id"], len(whole["members"]))


def test_a_room_that_is_not_there_says_which_are(hub: HubProcess) -> None:
    for command in (("show",), ("tail",), ("post", "hi")):
        verb, *rest = command
        told = refused(at(hub, "rooms", verb, "no-such", *rest))
        assert "there is no room no-such" in told
        assert "room_" in told and "roomhub rooms list" in told
    assert "there is no room room_0" in refused(at(hub, "runs", "list", "room_0"))


def test_a_name_that_several_rooms_have_is_asked_about(hub: HubProcess) -> None:
    one = make_room(hub)
    with hub.client() as client:
        other = client.post("/v1/rooms", json={"name": one["name"]}).json()["data"]
    told = refused(at(hub, "rooms", "show", one["name"]))
    assert one["id"] in told and other["id"] in told


def test_a_hub_that_is_not_running_is_said_with_how_to_start_one(
    hub: HubProcess, stopped: Path
) -> None:
    told = refused(roomhub_process("rooms", "list", data_dir=stopped))
    assert "no hub is running" in told and "roomhub up" in told
    told = refused(at(hub, "rooms", "list", "--url", "http://127.0.0.1:1"))
    assert "no answer from http://127.0.0.1:1" in told and "roomhub up" in told
    assert "--url must begin with http" in refused(at(hub, "rooms", "list", "--url", "localhost"))


def test_a_wrong_key_is_one_line_that_says_where_another_goes(hub: HubProcess) -> None:
    for command in (("rooms", "list"), ("rooms", "tail", "Design Review"), ("audit", "export")):
        told = refused(at(hub, *command, "--key", "rhk_nobody_nothing"))
        assert "refuses the key" in told and "--key" in told
        assert "rhk_nobody" not in told


# Posting.


def test_a_post_prints_its_id_and_what_it_started(hub: HubProcess) -> None:
    room = make_room(hub, REVIEWER)
    done = at(hub, "rooms", "post", room["id"], "look at this", "--mention", REVIEWER["id"])
    message, run = done.out.splitlines()
    assert 0 == done.status
    assert message.startswith("msg_")
    assert run.startswith("run_") and REVIEWER["id"] in run
    with hub.client() as client:
        stored = client.get(f"/v1/rooms/{room['id']}/messages/{message}").json()["data"]
    assert ("look at this", [REVIEWER]) == (stored["content"], stored["mention"])


def test_with_wait_the_replies_are_printed_when_they_are_whole(hub: HubProcess) -> None:
    room = make_room(hub, REVIEWER)
    done = at(hub, "rooms", "post", room["id"], "@design_reviewer the form?", "--wait", "--json")
    (reply,), (ended,) = done.json["replies"], done.json["ended"]
    assert (done.json["id"], "succeeded") == (reply["thread_id"], ended["state"])
    lines = at(hub, "rooms", "post", room["id"], "@design_reviewer and now?", "--wait").out
    assert "↳ Design Reviewer: " in lines.splitlines()[-1]


def test_with_wait_somebody_who_does_not_answer_is_status_1(hub: HubProcess) -> None:
    bot = f"bot_{secrets.token_hex(4)}"
    driver = {"kind": "webhook", "url": "https://nowhere.invalid/hook"}
    with hub.client() as client:
        about = {"type": "bot", "id": bot, "name": "Gone", "driver": driver}
        client.post("/v1/participants", json=about).raise_for_status()
    room = make_room(hub, {"type": "bot", "id": bot})
    done = at(hub, "rooms", "post", room["id"], "hello", "--mention", bot, "--wait")
    assert 1 == done.status
    assert f"no reply of {bot}: failed" in done.err
    failed = at(hub, "runs", "list", room["id"], "--state", "failed", "--json").json
    assert [bot] == [run["participant"]["id"] for run in failed]
    assert [] == at(hub, "runs", "list", room["id"], "--state", "queued", "--json").json
    again = at(hub, "runs", "retry", failed[0]["id"]).out.strip()
    assert failed[0]["id"] != again
    assert 1 == at(hub, "runs", "show", again, "--json").json["generation"]


def test_waiting_ends_in_time_and_says_for_whom(hub: HubProcess) -> None:
    bot = f"bot_{secrets.token_hex(4)}"  # dials in, which nobody does here
    with hub.client() as client:
        about = {"type": "bot", "id": bot, "name": "Away", "driver": {"kind": "socket"}}
        client.post("/v1/participants", json=about).raise_for_status()
    room = make_room(hub, {"type": "bot", "id": bot})
    done = at(hub, "rooms", "post", room["id"], "?", "--mention", bot, "--wait", "--timeout", "1")
    assert 1 == done.status
    (run,) = at(hub, "runs", "list", room["id"], "--json").json
    assert f"after 1 s not ended yet: {run['id']}" in done.err
    cancelled = at(hub, "runs", "cancel", run["id"], "--json").json
    assert run["id"] == cancelled["id"]


def test_a_reply_goes_into_its_thread_and_text_may_come_from_a_pipe(hub: HubProcess) -> None:
    room = make_room(hub)
    root = say(hub, room, "root")
    done = subprocess.run(
        [*Tail.COMMAND, "rooms", "post", room["id"], "-", "--thread", root["id"],
         "--data-dir", str(hub.data_dir)],
        input="two\nlines\n", capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    with hub.client() as client:
        path = f"/v1/rooms/{room['id']}/messages/{done.stdout.strip()}"
        stored = client.get(path).json()["data"]
    assert ("two\nlines", root["id"]) == (stored["content"], stored["thread_id"])


def test_who_is_no_member_is_told_how_to_become_one(hub: HubProcess) -> None:
    with hub.client() as client:
        about = {"participant_id": "user_bob", "name": "bob"}
        bob = client.post("/v1/api-keys", json=about).json()["data"]["key"]
    body = {"name": f"Bobs {secrets.token_hex(4)}"}
    with hub.client() as client:
        client.headers["Authorization"] = f"Bearer {bob}"
        room = client.post("/v1/rooms", json=body).json()["data"]
    assert "--join" in refused(at(hub, "rooms", "post", room["id"], "hello"))
    assert 0 == at(hub, "rooms", "post", room["id"], "hello", "--join").status


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("",), "TEXT must not be empty"),
        (("x" * 40_000,), "at most 32768 bytes"),
        (("x", "--mention", "bob"), "--mention bob"),
        (("x", "--mention", "user_nobody"), "mention[0].id"),
        (("x", "--thread", "msg_nowhere"), "--thread msg_nowhere"),
    ],
)
def test_what_cannot_be_posted_is_one_line_that_says_why(
    hub: HubProcess, arguments: tuple[str, ...], names: str
) -> None:
    room = make_room(hub)
    assert names in refused(at(hub, "rooms", "post", room["id"], *arguments))


# Following.


def test_a_room_is_followed_from_a_seq_on_and_live_until_ctrl_c(hub: HubProcess) -> None:
    room = make_room(hub)
    first = say(hub, room, "before")
    with run_tail(hub.data_dir, room["id"], "--since", str(first["seq"] - 1)) as tail:
        assert tail.line().endswith("  Admin: before")
        say(hub, room, "one\ntwo")
        assert tail.line().endswith("  Admin: one")
        assert "two" == tail.line().strip()
        with hub.client() as client:
            path = f"/v1/rooms/{room['id']}/messages/{first['id']}"
            client.post(f"{path}/reply", json={"content": "a reply"}).raise_for_status()
            client.delete(path).raise_for_status()
        assert tail.line().endswith("    ↳ Admin: a reply")
        assert tail.line().endswith("· a message of Admin was deleted")
        assert INTERRUPTED == tail.stop(signal.SIGINT)
        assert "" == tail.errors()


def test_programs_get_one_entry_of_the_log_a_line(hub: HubProcess) -> None:
    room = make_room(hub, REVIEWER)
    with run_tail(hub.data_dir, room["id"], "--since", "0", "--json") as tail:
        before = [tail.entry() for _ in range(room["head"])]
        say(hub, room, "@design_reviewer \x1b[31mred?")
        live = [tail.entry() for _ in range(4)]
        seqs = [each["seq"] for each in (*before, *live)]
    assert list(range(1, room["head"] + 5)) == seqs
    assert ["message.created", "run.queued", "message.created", "run.finished"] == [
        each["type"] for each in live
    ]


def test_without_since_only_what_comes_is_shown(hub: HubProcess) -> None:
    room = make_room(hub)
    say(hub, room, "before")
    with run_tail(hub.data_dir, room["id"], "--json") as tail:
        n = 0
        with contextlib.suppress(TimeoutError):
            while True:  # until it follows the room
                n += 1
                say(hub, room, f"after {n}")
                tail.entry(within_s=0.5)
                break
        assert n >= 1


async def test_a_cut_loses_nothing_and_repeats_nothing(hub: HubProcess) -> None:
    room = make_room(hub)
    async with run_proxy(hub.address) as proxy:
        arguments = ("--since", str(room["head"]), "--json", "--url", proxy.address)
        with run_tail(hub.data_dir, room["id"], *arguments) as tail:
            said = []
            for n in range(4):
                said.append(say(hub, room, f"{n}")["seq"])
                entry = await tail.entry_soon()
                assert said[-1] == entry["seq"]
                proxy.cut()
            assert INTERRUPTED == tail.stop(signal.SIGINT)
            assert "the connection was cut" in tail.errors()


def test_a_restart_of_the_hub_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    with run_hub(tmp_path) as hub:
        room = make_room(hub)
        port = hub.address.rpartition(":")[2]
        with run_tail(tmp_path, room["id"], "--since", str(room["head"]), "--json") as tail:
            say(hub, room, "before")
            assert room["head"] + 1 == tail.entry()["seq"]
            hub.stop()
            hub.start("--port", port)
            say(hub, room, "after")
            assert room["head"] + 2 == tail.entry()["seq"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_terminal_shows_a_reply_as_it_grows_and_is_left_as_it_was(
    hub: HubProcess, how: signal.Signals
) -> None:
    room = make_room(hub, REVIEWER)
    with run_on_terminal(hub.data_dir, room["id"], "--since", str(room["head"])) as terminal:
        say(hub, room, "hello")
        assert HIDE_CURSOR in terminal.until(b"hello")  # it follows the room now
        say(hub, room, "@design_reviewer what of the form?")
        seen = terminal.until(b"Design Reviewer: ")
        assert b"was asked" in seen
        assert seen.count("▌".encode()) >= 2
        assert 128 + how == terminal.end(how)
        assert SHOW_CURSOR in terminal.rest()


def test_whoever_reads_no_more_ends_it_without_a_word(hub: HubProcess) -> None:
    room = make_room(hub)
    with run_tail(hub.data_dir, room["id"], "--since", "0", "--json") as tail:
        tail.entry()
        tail.hang_up()
        for n in range(3):
            say(hub, room, f"{n}")
        assert BROKEN_PIPE == tail.wait()
        assert "" == tail.errors()


def test_a_seq_beyond_the_log_is_refused(hub: HubProcess) -> None:
    room = make_room(hub)
    told = refused(at(hub, "rooms", "tail", room["id"], "--since", "999"))
    assert f"ends at seq {room['head']}" in told
