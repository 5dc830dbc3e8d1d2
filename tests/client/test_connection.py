"""The live connection against a real hub, through a network that fails."""

from __future__ import annotations

import asyncio
import datetime
import random
from pathlib import Path

import pytest

from hub.client import (
    Connected,
    Disconnected,
    DraftGrew,
    Event,
    Joined,
    Left,
    Logged,
    Options,
    RoomConnection,
    Signalled,
    Unreachable,
    open_client,
    open_connection,
)
from hub.core.errors import Missing, TooLarge, Unauthenticated
from tests.client.guests import open_guest
from tests.client.proxy import run_proxy
from tests.support.hub import HubProcess, run_hub

PATIENCE_S = 20.0
QUICK = Options(backoff_base_s=0.01, backoff_cap_s=0.05)


async def texts_until(connection: RoomConnection, last: str) -> list[str]:
    """The contents of the messages up to the one that says `last`."""
    found = list[str]()
    async with asyncio.timeout(PATIENCE_S):
        async for event in connection:
            if isinstance(event, Logged) and event.type == "message.created":
                found.append(event.data["content"])
                if found[-1] == last:
                    return found
    raise AssertionError("the connection ended")


async def first(connection: RoomConnection, kind: type[Event]) -> Event:
    async with asyncio.timeout(PATIENCE_S):
        async for event in connection:
            if isinstance(event, kind):
                return event
    raise AssertionError("the connection ended")


async def test_a_post_comes_to_its_author_and_to_others_as_an_event(hub: HubProcess) -> None:
    async with (
        open_guest(hub) as guest,
        open_connection(hub.address, guest.key) as mine,
        open_connection(hub.address, hub.key) as other,
    ):
        hello = await first(mine, Connected)
        assert isinstance(hello, Connected) and guest.id == hello.participant["id"]
        await mine.subscribe(guest.room_id)
        await other.subscribe(guest.room_id)
        posted = await mine.post(guest.room_id, "hello")
        stored = await guest.admin.message(guest.room_id, posted.id)
        assert ("hello", posted.seq) == (stored["content"], stored["seq"])
        assert ["hello"] == await texts_until(mine, "hello") == await texts_until(other, "hello")


async def test_resuming_after_aborted_connections_loses_nothing_and_repeats_nothing(
    hub: HubProcess,
) -> None:
    dice, count = random.Random(7), 80
    async with open_guest(hub) as guest, run_proxy(hub.address) as proxy:
        async with open_connection(proxy.address, guest.key, QUICK) as connection:
            await connection.subscribe(guest.room_id)

            async def post_and_cut() -> None:
                for number in range(count):
                    await guest.admin.post(guest.room_id, str(number))
                    if dice.random() < 0.15:
                        proxy.cut()

            async with asyncio.TaskGroup() as group:
                group.create_task(post_and_cut())
                found = await texts_until(connection, str(count - 1))
        assert [str(number) for number in range(count)] == found
        assert proxy.connections > 3


async def test_posts_whose_answer_was_lost_are_stored_once(hub: HubProcess) -> None:
    async with open_guest(hub) as guest, run_proxy(hub.address) as proxy:
        async with (
            open_connection(proxy.address, guest.key, QUICK) as connection,
            open_connection(hub.address, hub.key) as other,
        ):
            await connection.subscribe(guest.room_id)
            await other.subscribe(guest.room_id)
            proxy.mute = True
            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
                posts = [
                    group.create_task(connection.post(guest.room_id, str(n))) for n in range(5)
                ]
                await texts_until(other, "4")
                proxy.mute = False
                proxy.cut()
            ids = [post.result().id for post in posts]
            found = await texts_until(connection, "4")
        messages = await guest.admin.messages(guest.room_id)
        assert ids == [message["id"] for message in messages]
        assert ["0", "1", "2", "3", "4"] == found == [m["content"] for m in messages]


async def test_a_post_given_while_there_is_no_connection_is_sent_later(hub: HubProcess) -> None:
    async with open_guest(hub) as guest, run_proxy(hub.address) as proxy:
        async with open_connection(proxy.address, guest.key, QUICK) as connection:
            proxy.refusing = True
            proxy.cut()
            await first(connection, Disconnected)
            with pytest.raises(Unreachable):
                await connection.ping()
            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
                post = group.create_task(connection.post(guest.room_id, "later"))
                await first(connection, Disconnected)
                proxy.refusing = False
            assert post.result().seq == (await guest.admin.room(guest.room_id))["head"]


async def test_a_consumer_that_does_not_read_misses_nothing_and_its_posts_are_answered(
    hub: HubProcess,
) -> None:
    options = Options(events=8)
    async with open_guest(hub) as guest:
        async with open_connection(hub.address, guest.key, options) as connection:
            await connection.subscribe(guest.room_id)
            for number in range(60):
                await connection.post(guest.room_id, str(number))
            found = await texts_until(connection, "59")
    assert [str(number) for number in range(60)] == found


async def test_more_missed_than_the_hub_replays_is_said(hub: HubProcess) -> None:
    async with open_guest(hub) as guest, run_proxy(hub.address) as proxy:
        async with (
            open_connection(proxy.address, guest.key, QUICK) as connection,
            open_connection(hub.address, hub.key) as other,
        ):
            joined = await connection.subscribe(guest.room_id)
            await first(connection, Joined)
            proxy.refusing = True
            proxy.cut()
            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
                for number in range(1_001):
                    group.create_task(other.post(guest.room_id, str(number)))
            proxy.refusing = False
            again = await first(connection, Joined)
            await other.post(guest.room_id, "now")
            found = await texts_until(connection, "now")
    assert isinstance(again, Joined) and again.missed
    assert (joined.head, joined.head + 1_001) == (again.since, again.head)
    assert ["now"] == found


async def test_joining_while_a_reply_is_written_shows_all_of_it(hub: HubProcess) -> None:
    bot = "bot_design_reviewer"
    mention = [{"type": "bot", "id": bot}]
    async with open_guest(hub, bot) as guest:
        async with (
            open_connection(hub.address, guest.key) as early,
            open_connection(hub.address, guest.key) as late,
        ):
            await early.subscribe(guest.room_id)
            await early.post(guest.room_id, "What do you make of draft 3b7?", mention=mention)
            began = await first(early, DraftGrew)
            await late.subscribe(guest.room_id)
            text, grown, final = "", 0, ""
            async with asyncio.timeout(PATIENCE_S):
                async for event in late:
                    if isinstance(event, DraftGrew):
                        assert len(text) == event.offset
                        text += event.text
                        grown += 1
                    elif isinstance(event, Logged) and event.type == "message.created":
                        final = event.data["content"]
                        break
            assert {} == late.drafts
    assert isinstance(began, DraftGrew) and text.startswith(began.text)
    assert final == text
    assert grown > 1


async def test_a_hub_that_is_killed_and_started_again_is_found_again(tmp_path: Path) -> None:
    with run_hub(tmp_path) as hub:
        async with open_guest(hub) as guest, run_proxy(hub.address) as proxy:
            async with open_connection(proxy.address, guest.key, QUICK) as connection:
                await connection.subscribe(guest.room_id)
                await connection.post(guest.room_id, "before")
                await asyncio.to_thread(hub.kill)
                await asyncio.to_thread(hub.start)
                proxy.target = hub.address
                async with open_client(hub.address, hub.key) as admin:
                    await admin.post(guest.room_id, "after")
                assert ["before", "after"] == await texts_until(connection, "after")
                await asyncio.to_thread(hub.stop)
                gone = await first(connection, Disconnected)
    assert isinstance(gone, Disconnected) and 1012 == gone.code


async def test_a_revoked_key_ends_the_connection_with_its_reason(hub: HubProcess) -> None:
    async with open_guest(hub) as guest:
        async with open_connection(hub.address, guest.key) as connection:
            await guest.admin.revoke_key(guest.key_id)
            with pytest.raises(Unauthenticated, match="revoked"):
                await first(connection, Left)
            with pytest.raises(Unauthenticated):
                await connection.post(guest.room_id, "too late")


async def test_an_expired_token_is_refreshed_and_the_room_resumed(hub: HubProcess) -> None:
    async with open_guest(hub) as guest:
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)
        short = await guest.admin.create_key(
            {"name": "short", "participant_id": guest.id, "expires_at": soon.isoformat()}
        )
        tokens = iter([short["key"], guest.key])

        async def token() -> str:
            return str(next(tokens))

        async with open_connection(hub.address, token, QUICK) as connection:
            await connection.subscribe(guest.room_id)
            gone = await first(connection, Disconnected)
            await guest.admin.post(guest.room_id, "still here?")
            assert ["still here?"] == await texts_until(connection, "still here?")
    assert isinstance(gone, Disconnected) and 4402 == gone.code


async def test_a_room_that_was_taken_away_is_left_though_others_go_on(hub: HubProcess) -> None:
    async with open_guest(hub) as guest, run_proxy(hub.address) as proxy:
        kept = await guest.admin.create_room("Kept", members=[{"type": "user", "id": guest.id}])
        async with open_connection(proxy.address, guest.key, QUICK) as connection:
            await connection.subscribe(guest.room_id)
            await connection.subscribe(kept["id"])
            proxy.refusing = True
            proxy.cut()
            await guest.admin.remove_member(guest.room_id, guest.id)
            await guest.admin.post(kept["id"], "meanwhile")
            proxy.refusing = False
            left = await first(connection, Left)
            await guest.admin.post(kept["id"], "here")
            found = await texts_until(connection, "here")
    assert isinstance(left, Left) and guest.room_id == left.room_id
    assert isinstance(left.error, Missing)
    assert "here" == found[-1]


async def test_typing_is_seen_by_the_others(hub: HubProcess) -> None:
    async with (
        open_guest(hub) as guest,
        open_connection(hub.address, guest.key) as mine,
        open_connection(hub.address, hub.key) as other,
    ):
        await mine.subscribe(guest.room_id)
        await other.subscribe(guest.room_id)
        await mine.typing(guest.room_id)
        while True:  # that there is a room now may come first
            seen = await first(other, Signalled)
            assert isinstance(seen, Signalled)
            if seen.type == "typing":
                break
        await mine.unsubscribe(guest.room_id)
    assert guest.id == seen.data["participant"]["id"]


async def test_what_the_hub_refuses_is_raised(hub: HubProcess) -> None:
    async with open_guest(hub) as guest, open_connection(hub.address, guest.key) as connection:
        with pytest.raises(Missing):
            await connection.subscribe("room_nowhere")
        with pytest.raises(TooLarge):
            await connection.post(guest.room_id, "x" * 70_000)
        await connection.ping()


async def test_a_key_the_hub_does_not_know_is_refused_at_once(hub: HubProcess) -> None:
    with pytest.raises(Unauthenticated):
        async with open_connection(hub.address, "rhk_nobody_nothing"):
            raise AssertionError("it opened")


async def test_no_hub_at_the_first_try_is_said(unused_tcp_port: int) -> None:
    with pytest.raises(Unreachable):
        async with open_connection(f"http://127.0.0.1:{unused_tcp_port}", "rhk_a_b"):
            raise AssertionError("it opened")


async def test_an_error_inside_comes_out_as_it_is(hub: HubProcess) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_connection(hub.address, hub.key):
            _ = 1 / 0
