"""`hub.gateway.feed`: frames of one tick joined, one write per connection, in order."""

from __future__ import annotations

from typing import Any

import msgpack

from hub.gateway.crowd import Apart
from hub.gateway.feed import EPHEMERAL_BYTES, EPHEMERAL_MOST, STRAIGHT_BYTES, Feed
from hub.wire.frames import Coding, bodies, frame
from hub.wire.packets import Packet

from .fakes import Client, FakeTarget


def durable(first: int, count: int = 1, *, access: bool = False) -> Packet:
    frames = b"".join(frame(b'{"seq":%d}' % seq) for seq in range(first, first + count))
    return Packet(first, count, frames, access)


def short(body: bytes = b'{"typing":1}') -> Packet:
    return Packet(0, 1, frame(body))


def live(*clients: Client, head: int = 0, apart: Apart | None = None) -> Feed:
    feed = Feed("room_1", apart=apart)
    feed.start(head, "e1")
    for client in clients:
        feed.expect(client)
        feed.enter(client)
    return feed


def unpacked(client: Client) -> list[Any]:
    return [msgpack.unpackb(body) for write in client.writes for body in bodies(write)]


def test_what_ripens_in_one_tick_is_one_write() -> None:
    one, other = Client(), Client()
    feed = live(one, other)
    for packet in (durable(1), short(), durable(2, 3)):
        feed.take(packet)
    assert one.writes == []
    feed.flush()
    assert len(one.writes) == 1
    assert one.writes == other.writes
    assert one.seqs == [1, 2, 3, 4]
    feed.flush()
    assert len(one.writes) == 1


def test_who_takes_everything_as_it_is_gets_it_straight() -> None:
    one, other = Client(), Client()
    straight: list[bytes] = []
    one.straight = FakeTarget(straight.append)
    feed = live(one, other)
    feed.take(short())
    feed.take(durable(1))
    feed.flush()
    assert one.writes == []
    assert straight == other.writes


def test_who_is_apart_gets_it_by_itself_meanwhile() -> None:
    one, other, apart = Client(), Client(), Apart()
    straight: list[list[bytes]] = [[], []]
    one.straight, other.straight = (FakeTarget(each.append) for each in straight)
    feed = live(one, other, apart=apart)
    for seq, now in ((1, {one.straight}), (2, set()), (3, {one.straight, other.straight})):
        apart.sockets = {*now}
        feed.take(durable(seq))
        feed.flush()
    assert ([1, 3], [3]) == (one.seqs, other.seqs)
    assert [1, 2] == [len(each) for each in straight]


def test_who_comes_is_written_to_and_who_has_left_is_not() -> None:
    one, other = Client(), Client()
    straight: list[list[bytes]] = [[], []]
    one.straight, other.straight = (FakeTarget(each.append) for each in straight)
    feed = live(one)
    feed.take(durable(1))
    feed.flush()
    feed.expect(other)
    feed.enter(other)
    feed.take(durable(2))
    feed.flush()
    feed.leave(one)
    feed.take(durable(3))
    feed.flush()
    assert [2, 2] == [len(each) for each in straight]


def test_when_a_socket_is_lost_everybody_is_looked_at_again() -> None:
    """Whether or not somebody has left by then: what was its descriptor may be another one's."""
    one, apart = Client(), Apart()
    straight: list[bytes] = []
    one.straight = FakeTarget(straight.append)
    feed = live(one, apart=apart)
    for seq in (1, 2):
        feed.take(durable(seq))
        feed.flush()
        one.straight.aim = 0
        apart.lost += 1
    assert (1, [2]) == (len(straight), one.seqs)


def test_who_is_sent_very_much_at_once_is_weighed_with_it() -> None:
    """Not with what comes next: it might be as much again."""
    one = Client()
    straight: list[bytes] = []
    one.straight = FakeTarget(straight.append)
    feed = live(one)
    half = frame(b"x" * (STRAIGHT_BYTES // 2 - 10))
    for seq in (1, 2):
        feed.take(Packet(seq, 1, half))
    feed.flush()
    assert ([STRAIGHT_BYTES], []) == ([len(each) for each in straight], one.writes)
    for seq in (3, 4, 5):
        feed.take(Packet(seq, 1, half))
    feed.flush()
    assert (1, 1) == (len(straight), len(one.writes))


def test_the_same_bytes_serve_everybody() -> None:
    one, other = Client(), Client()
    feed = live(one, other)
    feed.take(durable(1))
    feed.flush()
    assert one.writes[0] is other.writes[0]


def test_those_who_speak_msgpack_get_the_same_events_made_once() -> None:
    plain, one, other, slow = Client(), Client(), Client(), Client()
    one.coding = other.coding = slow.coding = Coding(packed=True)
    slow.congested = True
    feed = live(plain, one, other, slow)
    for packet in (short(), durable(1, 2)):
        feed.take(packet)
    feed.flush()
    assert plain.events == [{"typing": 1}, {"seq": 1}, {"seq": 2}] == unpacked(one)
    assert one.writes[0] is other.writes[0]
    assert unpacked(slow) == [{"seq": 1}, {"seq": 2}]


def test_who_joins_speaking_msgpack_gets_what_is_short_in_it() -> None:
    client = Client()
    client.coding = Coding(packed=True)
    feed = live()
    feed.expect(client)
    feed.take(short())
    feed.flush()
    feed.enter(client)
    assert unpacked(client) == [{"typing": 1}]


def test_a_congested_client_is_spared_what_may_be_dropped() -> None:
    slow, quick = Client(), Client()
    slow.congested = True
    feed = live(slow, quick)
    for packet in (short(), durable(1), short(), durable(2)):
        feed.take(packet)
    feed.flush()
    assert [("seq" in e) for e in slow.events] == [True, True]
    assert [("seq" in e) for e in quick.events] == [False, True, False, True]
    feed.take(short())
    feed.flush()
    assert len(slow.writes) == 1


def test_who_joins_gets_nothing_durable_before_it_entered_and_nothing_short_is_lost() -> None:
    client = Client()
    feed = live()
    feed.expect(client)
    for packet in (short(b'{"n":1}'), durable(1), short(b'{"n":2}')):
        feed.take(packet)
    feed.flush()
    assert client.writes == []
    feed.enter(client)
    assert [body for w in client.writes for body in bodies(w)] == [b'{"n":1}', b'{"n":2}']
    feed.take(durable(2))
    feed.flush()
    assert client.seqs == [2]


def test_who_left_while_joining_does_not_enter() -> None:
    client = Client()
    feed = live()
    feed.expect(client)
    feed.leave(client)
    feed.enter(client)
    assert not feed.in_use
    feed.take(durable(1))
    feed.flush()
    assert client.writes == []


def test_who_leaves_in_the_middle_of_a_write_is_no_trouble() -> None:
    class Leaving(Client):
        def deliver(self, frames: bytes) -> None:
            super().deliver(frames)
            feed.leave(self)

    leaving, staying = Leaving(), Client()
    feed = live(leaving, staying)
    for seq in (1, 2):
        feed.take(durable(seq))
        feed.flush()
    assert leaving.seqs == [1]
    assert staying.seqs == [1, 2]


def test_a_change_of_access_is_told_once() -> None:
    feed = live(Client())
    feed.take(durable(1))
    assert feed.flush() is False
    feed.take(durable(2, access=True))
    assert feed.flush() is True
    assert feed.flush() is False


def test_a_stopped_feed_has_forgotten_its_position() -> None:
    feed = live()
    feed.take(durable(1, 5))
    feed.stop()
    assert not feed.timeline.started
    client = Client()
    feed.expect(client)
    feed.take(durable(21))
    feed.start(20, "e1")
    feed.enter(client)
    feed.flush()
    assert client.seqs == [21]


def test_who_stalls_while_joining_is_owed_only_the_last_of_what_is_short() -> None:
    client = Client()
    feed = live()
    feed.expect(client)
    for number in range(EPHEMERAL_MOST + 50):
        feed.take(Packet(0, 1, frame(b'{"typing":%d}' % number)))
        feed.flush()
    feed.enter(client)
    assert [{"typing": n} for n in range(50, EPHEMERAL_MOST + 50)] == client.events


def test_who_stalls_while_joining_is_owed_no_more_than_would_make_it_slow() -> None:
    client, later = Client(), Client()
    feed = live()
    feed.expect(client)
    for number in range(4):
        if number == 2:
            feed.expect(later)
        feed.take(Packet(0, 1, frame(b"%d" % number + b"x" * (EPHEMERAL_BYTES // 3))))
        feed.flush()
    for each in (client, later):
        feed.enter(each)
        assert [b"2x", b"3x"] == [body[:2] for write in each.writes for body in bodies(write)]


def test_nothing_is_kept_when_nobody_joins() -> None:
    client, later = Client(), Client()
    feed = live()
    feed.expect(client)
    feed.take(short(b'{"n":1}'))
    feed.flush()
    feed.leave(client)
    assert b"" == feed._missed.since(0)
    feed.take(short(b'{"n":2}'))
    feed.flush()
    feed.expect(later)
    feed.enter(later)
    assert [] == later.writes


def test_who_joins_congested_is_spared_what_may_be_dropped() -> None:
    client = Client()
    feed = live()
    feed.expect(client)
    feed.take(short())
    feed.flush()
    client.congested = True
    feed.enter(client)
    assert [] == client.writes
