"""The fallbacks: a room's log as server-sent events and by long poll, equal to the WebSocket's."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.e2e.listening import listening
from tests.e2e.people import WAIT_S, Person, add_room, head_of
from tests.e2e.streaming import streaming
from tests.e2e.test_delivery import BOT, SOON_S, log_of, post, revoke, what
from tests.support.hub import HubProcess


async def poll(hub: HubProcess, person: Person, room_id: str, **query: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=hub.address, timeout=WAIT_S, trust_env=False) as client:
        path = f"/v1/rooms/{room_id}/events"
        return await client.get(path, params=query, headers=person.headers)


async def test_a_stream_tells_where_it_stands_then_every_event_as_a_socket_does(
    hub: HubProcess, person: Person
) -> None:
    room_id = add_room(person, [BOT["id"]])
    start = head_of(person, room_id)
    async with (
        streaming(hub, person, room_id) as stream,
        listening(hub, person) as socket,
    ):
        told = await stream.until(lambda event: event["type"] == "subscribed")
        joined = await socket.subscribe(room_id)
        assert {"type": "subscribed"} | joined == told
        assert f"{joined['epoch']}:{start}" == stream.last_id
        post(person, room_id, "zxq81", mention=[BOT])
        await stream.until(lambda event: event["type"] == "run.finished")
        await socket.until(lambda event: event["type"] == "run.finished")
    assert socket.durable == [event for event in stream.events if "seq" in event]
    assert any(event["type"] == "message.delta" for event in stream.events)
    assert f"{joined['epoch']}:{stream.seqs[-1]}" == stream.last_id


async def test_a_stream_resumes_after_the_last_event_id(hub: HubProcess, person: Person) -> None:
    room_id = add_room(person)
    async with streaming(hub, person, room_id) as first:
        await first.until(lambda event: event["type"] == "subscribed")
        await first.until_seq(post(person, room_id, "seen")["seq"])
    missed = [post(person, room_id, f"missed {n}")["seq"] for n in range(250)]
    async with streaming(hub, person, room_id, first.last_id) as again:
        live = post(person, room_id, "live")["seq"]
        await again.until_seq(live)
    assert again.events[0]["recovered"]
    assert [*missed, live] == again.seqs


@pytest.mark.parametrize("last_id", ["another:1", "{epoch}:999999"], ids=["epoch", "future"])
async def test_a_stream_whose_id_does_not_fit_is_not_recovered_and_live(
    hub: HubProcess, person: Person, last_id: str
) -> None:
    room_id = add_room(person)
    epoch = person.client.get(f"/v1/rooms/{room_id}").json()["data"]["epoch"]
    before = post(person, room_id, "before")["seq"]
    async with streaming(hub, person, room_id, last_id.format(epoch=epoch)) as stream:
        told = await stream.until(lambda event: event["type"] == "subscribed")
        assert (False, before) == (told["recovered"], told["head"])
        live = post(person, room_id, "live")["seq"]
        await stream.until_seq(live)
    assert [live] == stream.seqs


@pytest.mark.parametrize("last_id", ["12", "e1:", "e1:-1", "e1:1.5", ":4", "e1:" + "9" * 20])
def test_an_id_that_is_none_is_named(person: Person, last_id: str) -> None:
    room_id = add_room(person)
    headers = {"Last-Event-ID": last_id}
    refused = person.client.get(f"/v1/rooms/{room_id}/stream", headers=headers)
    assert 422 == refused.status_code
    assert "Last-Event-ID" == refused.json()["error"]["details"][0]["field"]


async def test_a_poll_waits_for_what_comes_and_answers_at_once_what_is_there(
    hub: HubProcess, person: Person
) -> None:
    room_id = add_room(person)
    start = head_of(person, room_id)
    waiting = asyncio.create_task(poll(hub, person, room_id, since=start, wait=30))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    posted = await asyncio.to_thread(post, person, room_id, "here")
    data = (await waiting).raise_for_status().json()["data"]
    assert [posted["seq"]] == [event["seq"] for event in data["items"]]
    assert (posted["seq"], True) == (data["head"], data["recovered"])
    again = await poll(hub, person, room_id, since=start, epoch=data["epoch"], wait=30)
    assert data["items"] == again.json()["data"]["items"]


async def test_a_poll_ends_empty_when_its_time_is_over(hub: HubProcess, person: Person) -> None:
    room_id = add_room(person)
    answer = await poll(hub, person, room_id, since=head_of(person, room_id), wait=1)
    assert (200, []) == (answer.status_code, answer.json()["data"]["items"])


@pytest.mark.parametrize("cursor", [{"since": 10**6}, {"since": 1, "epoch": "another"}])
async def test_a_poll_whose_cursor_does_not_fit_says_so_without_waiting(
    hub: HubProcess, person: Person, cursor: dict[str, Any]
) -> None:
    room_id = add_room(person)
    answer = await poll(hub, person, room_id, wait=30, **cursor)
    data = answer.raise_for_status().json()["data"]
    assert (False, [], head_of(person, room_id)) == (
        data["recovered"], data["items"], data["head"],
    )  # fmt: skip


async def test_a_client_changes_over_between_socket_stream_and_poll_and_misses_nothing(
    hub: HubProcess, person: Person, stranger: Person
) -> None:
    room_id = add_room(person, [stranger.id])
    start = seq = head_of(person, room_id)
    got: list[dict[str, Any]] = []

    async def say(count: int) -> int:
        last = 0
        for n in range(count):
            last = (await asyncio.to_thread(post, stranger, room_id, f"{seq} {n}"))["seq"]
        return last

    async with listening(hub, person) as socket:
        epoch = (await socket.subscribe(room_id, since=seq))["epoch"]
        await socket.until_seq(await say(3))
        got += socket.durable
    for _ in range(3):
        await say(3)
        seq = got[-1]["seq"]
        async with streaming(hub, person, room_id, f"{epoch}:{seq}") as stream:
            await stream.until_seq(await say(3))
            got += [event for event in stream.events if "seq" in event]
        await say(3)
        answer = await poll(hub, person, room_id, since=got[-1]["seq"], epoch=epoch, wait=30)
        got += answer.raise_for_status().json()["data"]["items"]
        await say(3)
        async with listening(hub, person) as socket:
            assert (await socket.subscribe(room_id, since=got[-1]["seq"], epoch=epoch))["recovered"]
            await socket.until_seq(await say(3))
            got += socket.durable
    assert what(log_of(person, room_id, start)) == what(got)


async def test_who_is_removed_hears_no_more_on_a_stream_or_a_poll(
    hub: HubProcess, person: Person, stranger: Person
) -> None:
    room_id = add_room(person, [stranger.id])
    async with streaming(hub, stranger, room_id) as stream:
        await stream.until(lambda event: event["type"] == "subscribed")
        # since the future of the removal itself: nothing but the end answers this poll
        since = head_of(person, room_id)
        waiting = asyncio.create_task(poll(hub, stranger, room_id, since=since, wait=30))
        await asyncio.sleep(0.1)
        path = f"/v1/rooms/{room_id}/members/{stranger.id}"
        (await asyncio.to_thread(person.client.delete, path)).raise_for_status()
        await stream.until(lambda event: event["type"] == "room.removed", SOON_S)
        heard = len(stream.events)
        post(person, room_id, "they are gone")
        await stream.to_its_end()
    assert heard == len(stream.events)
    assert 404 == (await asyncio.wait_for(waiting, SOON_S)).status_code
    assert 404 == (await poll(hub, stranger, room_id, wait=30)).status_code


async def test_a_revoked_key_ends_its_streams_and_polls(hub: HubProcess, person: Person) -> None:
    room_id = add_room(person)
    made = person.client.post("/v1/api-keys", json={"name": "other"}).raise_for_status().json()
    async with streaming(hub, person, room_id) as stream:
        await stream.until(lambda event: event["type"] == "subscribed")
        since = head_of(person, room_id)
        waiting = asyncio.create_task(poll(hub, person, room_id, since=since, wait=30))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(revoke, hub, person.key_id, made["data"]["key"])
        ended = await stream.until(lambda event: event["type"] == "error", SOON_S)
        await stream.to_its_end()
    assert "AUTH_TOKEN_INVALID" == ended["error"]["code"]
    assert 401 == (await asyncio.wait_for(waiting, SOON_S)).status_code


@pytest.mark.parametrize("path", ["stream", "events?wait=30"])
def test_who_is_no_member_is_answered_like_a_missing_room(
    person: Person, stranger: Person, path: str
) -> None:
    room_id = add_room(person)
    missing = stranger.client.get(f"/v1/rooms/room_missing/{path}")
    foreign = stranger.client.get(f"/v1/rooms/{room_id}/{path}")
    assert (404, 404) == (missing.status_code, foreign.status_code)
    assert missing.json()["error"] == foreign.json()["error"]


def test_a_head_request_of_a_stream_ends(person: Person) -> None:
    assert 200 == person.client.head(f"/v1/rooms/{add_room(person)}/stream").status_code
