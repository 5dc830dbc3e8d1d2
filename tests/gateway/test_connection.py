"""`hub.gateway.connection`: one client, from its greeting to its close."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from hub.core.values import Actor
from hub.gateway.bounds import FRAME_BYTES
from hub.gateway.connection import HELD_BYTES, INBOX, Connection
from hub.gateway.doing import ROOMS
from hub.gateway.gateway import Gateway
from hub.gateway.greeting import GREETING_BYTES
from hub.gateway.history import REPLAY_BYTES, REPLAY_FIRST
from hub.parts import Parts, now_ms
from hub.wire.bodies import validate
from hub.wire.frames import Coding, frame
from hub.wire.requests import CreateKey, PostMessage
from tests.support.parts import (
    ACME,
    ADMIN,
    ALICE,
    AT_MS,
    BOB,
    CAROL,
    ELIZA,
    RIVAL,
    Posts,
    Ticker,
    actor,
    member,
)
from tests.support.redis import until

from .fakes import FakeSocket


class Talk:
    """A connection with its socket; commands are numbered."""

    def __init__(self, gateway: Gateway, clock: Ticker) -> None:
        self.socket = FakeSocket(gateway.apart)
        self.connection = Connection("conn_1", self.socket, gateway, clock)
        self._count = 0

    def send(self, kind: str, **fields: Any) -> int:
        self._count += 1
        self.raw(json.dumps({"id": self._count, "type": kind} | fields))
        return self._count

    def raw(self, data: str | bytes) -> None:
        self.connection.on_frame(data)

    async def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        return await self.socket.reply_to(self.send(kind, **fields))

    @property
    def seqs(self) -> list[int]:
        return [s["seq"] for s in self.socket.said if s["type"] != "reply" and "seq" in s]

    async def closed(self) -> int:
        await self.socket.wait_for(lambda s: s.closed is not None)
        assert self.socket.closed is not None
        return self.socket.closed[0]


@pytest.fixture
def clock() -> Ticker:
    return Ticker(now_ms())


@contextlib.asynccontextmanager
async def talking(
    gateway: Gateway, who: Actor | None = ALICE, clock: Ticker | None = None
) -> AsyncIterator[Talk]:
    """A connection that runs; without `who` it has to greet."""
    talk = Talk(gateway, clock or Ticker(now_ms()))
    talk.connection.greet(who)
    try:
        yield talk
    finally:
        talk.connection.on_closed()
        assert talk.connection not in gateway.connections


async def token_of(parts: Parts, who: Actor = ALICE, **fields: Any) -> tuple[str, str]:
    made = await parts.access.create_key(who, validate(CreateKey, {"name": "k"} | fields))
    return made["key"], made["id"]


async def test_who_is_known_from_the_handshake_hears_hello_first(gateway: Gateway) -> None:
    async with talking(gateway) as talk:
        hello = talk.socket.said[0]
        assert (hello["type"], hello["participant"]["id"]) == ("hello", "user_alice")
        assert hello["limits"]["frame_bytes"] == FRAME_BYTES
        assert talk.connection in gateway.connections


async def test_a_first_frame_may_say_who_it_is(gateway: Gateway) -> None:
    token, _ = await token_of(gateway.parts)
    async with talking(gateway, None) as talk:
        talk.raw(json.dumps({"type": "auth", "token": token}))
        await talk.socket.wait_for(lambda s: bool(s.said))
        assert talk.socket.said[0]["type"] == "hello"
        assert (await talk.ask("ping"))["ok"]


async def test_a_ticket_serves_as_well_and_once(gateway: Gateway) -> None:
    token, _ = await token_of(gateway.parts)
    me = await gateway.parts.access.authenticate(token)
    ticket = (await gateway.parts.access.create_ticket(me, "ws"))["ticket"]
    frame = json.dumps({"type": "auth", "token": ticket})
    async with talking(gateway, None) as first, talking(gateway, None) as second:
        first.raw(frame)
        await first.socket.wait_for(lambda s: bool(s.said))
        second.raw(frame)
        assert await second.closed() == 4401


@pytest.mark.parametrize(
    "frame",
    [
        '{"type":"ping"}',
        '{"type":"auth"}',
        '{"type":"auth","token":"rhk_wrong_key"}',
        '{"type":"auth","token":5}',
        '{"type":"auth","token":"t","more":1}',
        "not json",
        b"\x80\x81",
        "[]",
        json.dumps({"type": "auth", "token": "x" * GREETING_BYTES}),
    ],
)
async def test_anything_else_as_a_first_frame_is_closed(
    frame: str | bytes, gateway: Gateway
) -> None:
    async with talking(gateway, None) as talk:
        talk.raw(frame)
        assert await talk.closed() == 4401
        assert talk.socket.written == []


async def test_a_second_frame_before_the_answer_is_closed(gateway: Gateway) -> None:
    async with talking(gateway, None) as talk:
        for _ in range(2):
            talk.raw('{"type":"auth","token":"rhk_x_y"}')
        assert await talk.closed() == 4401


async def test_who_goes_away_before_greeting_is_forgotten(gateway: Gateway) -> None:
    async with talking(gateway, None) as talk:
        talk.connection.on_closed()
    assert talk.socket.closed is None


@pytest.mark.parametrize(
    ("frame", "fields"),
    [
        ('{"id":1,"type":"dance"}', ["type"]),
        ('{"id":1}', ["type"]),
        ('{"id":1,"type":["ping"]}', ["type"]),
        ('{"id":1,"type":"ping","x":1}', ["x"]),
        ('{"id":1,"type":"subscribe"}', ["room_id"]),
        ('{"id":1,"type":"subscribe","room_id":"r","since":-1}', ["since"]),
        ('{"id":1,"type":"subscribe","room_id":"r","since":1.5}', ["since"]),
        ('{"id":1,"type":"subscribe","room_id":"r","since":"1"}', ["since"]),
        ('{"id":1,"type":"subscribe","room_id":"r","since":18446744073709551616}', ["since"]),
        ('{"id":1,"type":"subscribe","rooms":[]}', ["rooms"]),
        ('{"id":1,"type":"subscribe","rooms":[{"room_id":"a"},{"room_id":1}]}',
         ["rooms[1].room_id"]),
        ('{"id":1,"type":"post","room_id":"r"}', ["content"]),
        ('{"id":1,"type":"post","room_id":"r","content":"a\\u0000"}', ["content"]),
        ('{"id":1,"type":"post","room_id":"r","content":" "}', ["content"]),
        ('{"id":1,"type":"typing"}', ["room_id"]),
    ],
)  # fmt: skip
async def test_a_command_that_is_wrong_is_answered_by_name_and_the_client_stays(
    frame: str, fields: list[str], gateway: Gateway
) -> None:
    async with talking(gateway) as talk:
        talk.raw(frame)
        reply = await talk.socket.reply_to(1)
        assert (reply["ok"], reply["error"]["code"]) == (False, "VALIDATION_ERROR")
        assert [d["field"] for d in reply["error"]["details"]] == fields
        talk.raw('{"id":2,"type":"ping"}')
        assert (await talk.socket.reply_to(2))["ok"]


@pytest.mark.parametrize(
    "frame", ["", "{", "[]", "null", '{"id":NaN}', "[" * 20_000, b"binary", b"\xff\xfe"]
)
async def test_a_frame_that_is_no_command_is_answered_without_an_id(
    frame: str | bytes, gateway: Gateway
) -> None:
    async with talking(gateway) as talk:
        talk.raw(frame)
        reply = talk.socket.said[-1]
        assert (reply["id"], reply["ok"], reply["error"]["code"]) == (
            None, False, "VALIDATION_ERROR"
        )  # fmt: skip


async def test_posts_are_answered_in_order_and_come_back_as_events(gateway: Gateway) -> None:
    async with talking(gateway) as talk:
        head = (await talk.ask("subscribe", room_id="room_1"))["data"]["head"]
        asked = [talk.send("post", room_id="room_1", content=str(n)) for n in range(50)]
        replies = [await talk.socket.reply_to(number) for number in asked]
        assert [r["data"]["seq"] for r in replies] == list(range(head + 1, head + 51))
        await talk.socket.wait_for(lambda _: len(talk.seqs) == 50)
        assert talk.seqs == list(range(head + 1, head + 51))
        contents = [s["data"]["content"] for s in talk.socket.said if s.get("seq")]
        assert contents == [str(n) for n in range(50)]


async def test_a_reply_to_a_post_says_which_runs_it_started(gateway: Gateway) -> None:
    async with talking(gateway) as talk:
        mention = [{"type": "persona", "id": ELIZA}]
        for _ in range(2):  # the slow way, then the quick one
            reply = await talk.ask("post", room_id="room_1", content="x", mention=mention)
            assert [run["state"] for run in reply["data"]["runs"]] == ["queued"]


async def test_the_same_client_id_is_the_same_post_on_both_ways(gateway: Gateway) -> None:
    async with talking(gateway) as talk:
        fields = {"room_id": "room_1", "content": "once", "client_id": "c1"}
        ids = {(await talk.ask("post", **fields))["data"]["id"] for _ in range(4)}
        assert len(ids) == 1
        other = await talk.ask("post", **(fields | {"content": "other"}))
        assert other["error"]["code"] == "IDEMPOTENCY_CONFLICT"


async def test_a_retry_by_rest_of_a_post_by_websocket_is_the_same_post(gateway: Gateway) -> None:
    async with talking(gateway) as talk:
        reply = await talk.ask("post", room_id="room_1", content="once", client_id="c1")
    body = validate(PostMessage, {"content": "once", "client_id": "c1"})
    again = await gateway.parts.messages.post(ALICE, "room_1", body)
    assert again.message_id == reply["data"]["id"]


async def test_resuming_brings_exactly_what_was_missed_then_goes_on(gateway: Gateway) -> None:
    parts = gateway.parts
    async with talking(gateway) as first:
        joined = (await first.ask("subscribe", room_id="room_1"))["data"]
    posts = Posts(parts.store)
    await parts.store.posts.commit([await posts.new() for _ in range(30)])
    async with talking(gateway) as talk:
        cursor = {"room_id": "room_1", "since": joined["head"], "epoch": joined["epoch"]}
        reply = await talk.ask("subscribe", rooms=[cursor])
        assert reply["data"]["rooms"][0]["recovered"] is True
        await talk.ask("post", room_id="room_1", content="live")
        await talk.socket.wait_for(lambda _: len(talk.seqs) == 31)
        assert talk.seqs == list(range(joined["head"] + 1, joined["head"] + 32))
        kinds = [s["type"] for s in talk.socket.said]
        assert kinds.index("reply") < kinds.index("message.created")


@pytest.mark.parametrize("room_id", ["room_none", "room_1", "sess_none", "", "\u0000"])
@pytest.mark.parametrize("kind", ["subscribe", "post", "typing"])
async def test_a_stranger_and_a_missing_room_read_the_same(
    kind: str, room_id: str, gateway: Gateway
) -> None:
    fields = {"content": "x"} if kind == "post" else {}
    answers = []
    for who in (CAROL, actor("user_alice", RIVAL), actor("user_admin", RIVAL, "tenant_admin")):
        async with talking(gateway, who) as talk:
            reply = await talk.ask(kind, room_id=room_id, **fields)
            answers.append(reply["error"])
    code = "VALIDATION_ERROR" if room_id in ("", "\0") else "ROOM_NOT_FOUND"
    assert [answer["code"] for answer in answers] == [code] * 3
    assert answers[0] == answers[1] == answers[2]


async def test_an_observer_is_told_that_it_may_not_post(gateway: Gateway) -> None:
    await gateway.parts.store.rooms.add_members(ACME, "room_1", [member("user_carol", "observer")])
    async with talking(gateway, CAROL) as talk:
        assert (await talk.ask("subscribe", room_id="room_1"))["ok"]
        reply = await talk.ask("post", room_id="room_1", content="x")
        assert reply["error"]["code"] == "AUTHZ_PERMISSION_DENIED"


async def test_a_member_who_is_removed_is_told_and_hears_nothing_more(gateway: Gateway) -> None:
    async with talking(gateway, ALICE) as alice, talking(gateway, BOB) as bob:
        for talk in (alice, bob):
            await talk.ask("subscribe", room_id="room_1")
        await bob.ask("post", room_id="room_1", content="hello")
        await gateway.parts.rooms.remove_member(ALICE, "room_1", "user_bob")
        await bob.socket.wait_for(lambda s: s.said[-1]["type"] == "room.removed")
        reply = await alice.ask("post", room_id="room_1", content="without bob")
        await alice.socket.wait_for(lambda _: reply["data"]["seq"] in alice.seqs)
        refused = await bob.ask("post", room_id="room_1", content="still here")
        assert refused["error"]["code"] == "ROOM_NOT_FOUND"
        assert reply["data"]["seq"] not in bob.seqs
        assert bob.socket.closed is None


async def test_after_unsubscribing_nothing_comes(gateway: Gateway) -> None:
    async with talking(gateway) as talk, talking(gateway, BOB) as other:
        for each in (talk, other):
            await each.ask("subscribe", room_id="room_1")
        assert (await talk.ask("unsubscribe", room_id="room_1"))["data"] == {}
        await other.ask("post", room_id="room_1", content="x")
        await other.socket.wait_for(lambda _: len(other.seqs) == 1)
        assert talk.seqs == []
        assert (await talk.ask("unsubscribe", room_id="room_never"))["ok"]


async def test_typing_reaches_the_others_of_a_room_one_follows(gateway: Gateway) -> None:
    async with talking(gateway) as alice, talking(gateway, BOB) as bob:
        for talk in (alice, bob):
            await talk.ask("subscribe", room_id="room_1")
        assert (await alice.ask("typing", room_id="room_1"))["ok"]
        await bob.socket.wait_for(lambda s: s.said[-1]["type"] == "typing")
        assert bob.socket.said[-1]["data"]["participant"] == {"type": "user", "id": "user_alice"}


async def test_a_slow_client_is_closed_and_left_out_in_the_same_call(gateway: Gateway) -> None:
    most = gateway.parts.settings.pending_bytes
    async with talking(gateway) as slow, talking(gateway, BOB) as quick:
        for talk in (slow, quick):
            await talk.ask("subscribe", room_id="room_1")
        slow.socket.fall_behind()
        big = "x" * 30_000
        for _ in range(most // 30_000 + 2):
            await quick.ask("post", room_id="room_1", content=big)
        assert await slow.closed() == 4408
        assert slow.connection.rooms == set()
        await quick.socket.wait_for(lambda _: len(quick.seqs) == most // 30_000 + 2)
        before = slow.socket.pending_bytes - len(slow.socket.written[-1])
        assert before <= most < slow.socket.pending_bytes
        written = len(slow.socket.written)
        await quick.ask("post", room_id="room_1", content="more")
        assert len(slow.socket.written) == written


class Full(FakeSocket):
    """Its kernel takes nothing: it is congested by the first large write."""

    def write(self, frames: bytes) -> None:
        super().write(frames)
        if not self.congested and len(frames) > 65_536:
            self.pending_bytes += len(frames)
            self.fall_behind()


async def test_who_is_too_slow_for_one_large_write_is_closed_by_it(gateway: Gateway) -> None:
    socket = Full(gateway.apart)
    connection = Connection("conn_1", socket, gateway, now_ms)
    connection.greet(ALICE)
    connection.on_frame('{"id":1,"type":"subscribe","room_id":"room_1"}')
    assert (await socket.reply_to(1))["ok"]
    await until(lambda: bool(gateway.fanout.people("room_1")))
    gateway.fanout.tell("room_1", frame(b"x" * gateway.parts.settings.pending_bytes))
    assert socket.closed == (4408, "slow, resume")


async def test_events_go_straight_to_the_socket_until_the_close(
    gateway: Gateway,
) -> None:
    async with talking(gateway) as talk:
        assert talk.connection.straight is talk.socket
        talk.connection.close(1000, "")
        assert talk.connection.straight is None


async def test_events_are_not_written_straight_to_who_takes_them_otherwise(
    gateway: Gateway,
) -> None:
    packed = Connection("conn_1", FakeSocket(), gateway, now_ms, Coding(packed=True))
    assert packed.straight is None


async def test_a_client_that_asks_and_never_reads_is_closed_too(gateway: Gateway) -> None:
    """Answers count as well: memory is bounded whatever a client does."""
    async with talking(gateway) as talk:
        talk.socket.fall_behind()
        for _ in range(100_000):
            talk.raw("nonsense")
            if talk.socket.closed:
                break
        assert await talk.closed() == 4408
        assert talk.socket.pending_bytes < gateway.parts.settings.pending_bytes + 1_000


async def test_a_client_with_much_to_catch_up_is_not_slow(gateway: Gateway) -> None:
    """Replay is paced by the client and stays outside the bound."""
    posts = Posts(gateway.parts.store)
    for _ in range(3):
        await gateway.parts.store.posts.commit(
            [await posts.new(content="x" * 25_000) for _ in range(100)]
        )
    async with talking(gateway) as talk:
        talk.socket.fall_behind()
        talk.socket.reading.clear()
        talk.send("subscribe", room_id="room_1", since=0)
        await talk.socket.wait_for(lambda _: len(talk.seqs) >= REPLAY_FIRST)
        assert talk.socket.pending_bytes > gateway.parts.settings.pending_bytes
        assert talk.socket.closed is None
        talk.socket.congested, talk.socket.pending_bytes = False, 0
        talk.socket.reading.set()
        head = (await gateway.parts.store.log.heads(["room_1"]))["room_1"].head
        await talk.socket.wait_for(lambda _: len(talk.seqs) == head)
        assert talk.seqs == list(range(1, head + 1))
        assert max(map(len, talk.socket.written[-5:])) < 2 * REPLAY_BYTES


async def test_a_replay_that_breaks_off_asks_the_client_to_resume(gateway: Gateway) -> None:
    """The subscription was answered already: a second reply to one id would be worse."""
    async with talking(gateway) as talk:
        talk.socket.reading.clear()
        asked = talk.send("subscribe", room_id="room_1", since=0)
        await talk.socket.wait_for(lambda _: bool(talk.seqs))
        feed = gateway.fanout._feeds["room_1"]
        feed.timeline.start(10**6)  # as if much more were stored than the log can give
        talk.socket.reading.set()
        assert await talk.closed() == 1012
        assert len([s for s in talk.socket.said if s.get("id") == asked]) == 1


async def test_a_room_that_could_not_be_joined_is_not_typed_into(gateway: Gateway) -> None:
    view = await gateway.parts.views.known(BOB, "room_1")
    await gateway.parts.store.rooms.remove_member(view.room.tenant_id, "room_1", BOB.id, now_ms())
    async with talking(gateway, BOB) as talk:
        assert not (await talk.ask("subscribe", room_id="room_1"))["ok"]
        assert not (await talk.ask("typing", room_id="room_1"))["ok"]


async def test_a_room_that_is_not_followed_is_not_typed_into(gateway: Gateway) -> None:
    async with talking(gateway, BOB) as talk:
        refused = await talk.ask("typing", room_id="room_1")
        assert "ROOM_NOT_FOUND" == refused["error"]["code"]
        assert (await talk.ask("subscribe", room_id="room_1"))["ok"]
        assert (await talk.ask("typing", room_id="room_1"))["ok"]


async def test_an_expired_key_closes_its_connection(gateway: Gateway, clock: Ticker) -> None:
    me = actor("user_alice", expires_ms=clock() + 60_000)
    async with talking(gateway, me, clock) as talk:
        talk.connection.close_if_expired(clock() + 59_999)
        assert talk.socket.closed is None
        talk.connection.close_if_expired(clock() + 60_000)
        assert await talk.closed() == 4402


async def test_a_key_that_is_about_to_expire_is_warned_of_once_and_can_be_refreshed(
    gateway: Gateway, clock: Ticker
) -> None:
    ends = clock() + 60_000
    async with talking(gateway, actor("user_alice", expires_ms=ends), clock) as talk:
        assert talk.socket.said[0]["expires_at"]

        def warnings() -> int:
            return sum(said["type"] == "auth.expiring" for said in talk.socket.said)

        talk.connection.close_if_expired(clock() - 1)
        assert 0 == warnings()
        talk.connection.close_if_expired(clock())
        talk.connection.close_if_expired(clock() + 1)
        assert 1 == warnings()
        token, _ = await token_of(gateway.parts)
        assert {"expires_at": None} == (await talk.ask("auth", token=token))["data"]
        talk.connection.close_if_expired(ends + 1)
        assert talk.socket.closed is None


async def test_a_gateway_looks_for_expired_keys_by_itself(gateway: Gateway) -> None:
    async with talking(gateway, actor("user_alice", expires_ms=now_ms() - 1)) as talk:
        assert await talk.closed() == 4402


async def test_a_revoked_key_closes_its_connections_and_no_others(gateway: Gateway) -> None:
    parts = gateway.parts
    (mine, key_id), (other, _) = await token_of(parts), await token_of(parts)
    authenticate = parts.access.authenticate
    async with (
        talking(gateway, await authenticate(mine)) as revoked,
        talking(gateway, await authenticate(other)) as stays,
    ):
        await revoked.ask("subscribe", room_id="room_1")
        await parts.access.revoke(ADMIN, key_id)
        assert await revoked.closed() == 4410
        assert (await stays.ask("ping"))["ok"]


async def test_a_later_auth_refreshes_the_same_participant_only(gateway: Gateway) -> None:
    parts = gateway.parts
    (mine, key_id), (bobs, _) = await token_of(parts), await token_of(parts, BOB)
    async with talking(gateway) as talk:
        assert (await talk.ask("auth", token=mine))["ok"]
        assert talk.connection.actor.key_id == key_id
        refused = await talk.ask("auth", token=bobs)
        assert refused["error"]["details"][0]["field"] == "token"
        wrong = await talk.ask("auth", token="rhk_no_key")
        assert wrong["error"]["code"] == "AUTH_TOKEN_INVALID"
        assert talk.connection.actor.key_id == key_id


async def test_a_later_auth_by_a_key_that_was_revoked_meanwhile_is_refused(
    gateway: Gateway,
) -> None:
    access = gateway.parts.access
    token, key_id = await token_of(gateway.parts)
    ticket = (await access.create_ticket(await access.authenticate(token), "ws"))["ticket"]
    access.forget(key_id)  # as another gateway's news, while the ticket is being redeemed
    async with talking(gateway) as talk:
        refused = await talk.ask("auth", token=ticket)
        assert "AUTH_TOKEN_INVALID" == refused["error"]["code"]
        assert ALICE.key_id == talk.connection.actor.key_id


async def test_a_later_auth_counts_for_its_own_key(parts: Parts) -> None:
    token, _ = await token_of(parts)
    limits = parts.settings.model_copy(update={"connections_per_key": 1})
    gateway = Gateway(replace(parts, settings=limits))
    async with gateway.running(), talking(gateway) as first:
        assert (await first.ask("auth", token=token))["ok"]
        assert (await first.ask("auth", token=token))["ok"]
        async with talking(gateway) as second:
            refused = await second.ask("auth", token=token)
            assert "RATE_LIMITED" == refused["error"]["code"]


async def test_too_many_commands_are_refused_with_a_time(parts: Parts) -> None:
    slow_limits = parts.settings.model_copy(update={"commands_per_s": 5})
    limited = Gateway(replace(parts, settings=slow_limits))
    async with limited.running():
        await until(lambda: not limited.fanout.deaf)
        async with talking(limited) as talk:
            numbers = [talk.send("ping") for _ in range(8)]
            replies = [await talk.socket.reply_to(n) for n in numbers]
    refused = [r["error"] for r in replies if not r["ok"]]
    assert len(refused) == 3
    assert {e["code"] for e in refused} == {"RATE_LIMITED"}
    assert all(e["retry_after"] > 0 for e in refused)


async def test_a_client_that_sends_faster_than_it_is_served_is_not_read(gateway: Gateway) -> None:
    async with talking(gateway) as talk:
        last = [talk.send("ping") for _ in range(INBOX)][-1]
        assert talk.socket.paused
        await talk.socket.reply_to(last)
        assert not talk.socket.paused


async def test_a_client_that_sends_large_commands_is_not_read_meanwhile(gateway: Gateway) -> None:
    async with talking(gateway) as talk:
        for number in range(HELD_BYTES // 60_000 + 1):
            talk.raw(json.dumps({"id": number, "type": "ping"}).ljust(60_000))
        assert talk.socket.paused
        await talk.socket.reply_to(HELD_BYTES // 60_000)
        assert not talk.socket.paused


async def test_a_connection_follows_a_bounded_number_of_rooms(gateway: Gateway) -> None:
    async with talking(gateway) as talk:
        talk.connection.rooms.update(f"room_of_{n}" for n in range(ROOMS))
        reply = await talk.ask("subscribe", room_id="room_1")
        assert reply["error"]["code"] == "RATE_LIMITED"
        talk.connection.rooms.clear()
        assert (await talk.ask("subscribe", room_id="room_1"))["ok"]


async def test_one_bad_room_of_many_subscribes_none_of_them(gateway: Gateway) -> None:
    async with talking(gateway) as talk, talking(gateway, BOB) as bob:
        reply = await talk.ask("subscribe", rooms=[{"room_id": "room_1"}, {"room_id": "room_x"}])
        assert reply["error"]["code"] == "ROOM_NOT_FOUND"
        assert "room_1" not in talk.connection.rooms
        await bob.ask("subscribe", room_id="room_1")
        await bob.ask("post", room_id="room_1", content="x")
        await bob.socket.wait_for(lambda _: len(bob.seqs) == 1)
        assert talk.seqs == []


async def test_a_draining_gateway_tells_everybody_to_come_back(gateway: Gateway) -> None:
    async with talking(gateway) as one, talking(gateway, BOB) as other:
        await one.ask("subscribe", room_id="room_1")
        await gateway.drain(1)
        for talk in (one, other):
            assert await talk.closed() == 1012
            assert talk.socket.closed is not None
            assert "retry_s" in orjson.loads(talk.socket.closed[1])
        assert "the hub is stopping" in await gateway.ready()


async def test_a_room_that_changes_between_two_posts_delays_none(gateway: Gateway) -> None:
    """Posts on stale members are authorised again, in order."""
    async with talking(gateway) as talk:
        await talk.ask("subscribe", room_id="room_1")
        await talk.ask("post", room_id="room_1", content="known now")
        await gateway.parts.store.rooms.set_member(
            ACME, "room_1", member("user_bob", "observer"), AT_MS
        )
        numbers = [talk.send("post", room_id="room_1", content=str(n)) for n in range(20)]
        replies = [await talk.socket.reply_to(n) for n in numbers]
        seqs = [r["data"]["seq"] for r in replies]
        assert seqs == sorted(seqs)
        assert len(set(seqs)) == 20
