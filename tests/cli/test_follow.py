"""`hub.cli.follow`: each entry once and in order, however much was missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any, cast

import pytest

from hub.cli.follow import Lost, follow
from hub.client import (
    Event,
    Joined,
    Left,
    Logged,
    RoomConnection,
    RoomhubClient,
    Unreachable,
    open_client,
    open_connection,
)
from hub.core.errors import Missing
from tests.client.guests import open_guest
from tests.support.hub import HubProcess

ROOM = {"id": "room_1", "epoch": "e1"}


def entry(seq: int) -> Logged:
    return Logged("message.created", "room_1", seq, "2030-01-01T00:00:00.000Z", {"n": seq})


def joined(head: int, *, recovered: bool, epoch: str = "e1") -> Joined:
    return Joined("room_1", head, epoch, recovered, since=0)


class Connection:
    """Hands on what it is told to."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = iter(events)
        self.asked: list[tuple[int, str]] = []

    async def subscribe(self, room_id: str, *, since: int, epoch: str) -> None:
        self.asked.append((since, epoch))

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        try:
            return next(self._events)
        except StopIteration:
            raise StopAsyncIteration from None


class Log:
    """The log as REST has it; the first `away` reads break off after an entry."""

    def __init__(self, seqs: Iterable[int], away: int = 0) -> None:
        self._seqs = list(seqs)
        self._away = away

    async def log(
        self, room_id: str, *, since: int, epoch: str
    ) -> AsyncGenerator[dict[str, Any], None]:
        for seq in [each for each in self._seqs if each > since]:
            found = entry(seq)
            yield {name: getattr(found, name) for name in ("type", "room_id", "seq", "at", "data")}
            if self._away:
                self._away -= 1
                raise Unreachable("away")


async def followed(log: Log, *events: Event, since: int = 0) -> list[Event | Lost]:
    client, connection = cast(RoomhubClient, log), cast(RoomConnection, Connection(events))
    return [each async for each in follow(client, connection, ROOM, since, again_s=0)]


async def test_what_the_connection_does_not_replay_is_read_up_to_where_it_goes_on() -> None:
    found = await followed(Log(range(1, 9)), joined(5, recovered=False), entry(6), entry(7))
    assert [entry(n) for n in range(1, 8)] == found


async def test_a_cut_that_was_too_long_is_read_from_the_last_entry_shown() -> None:
    events = (joined(2, recovered=True), entry(1), entry(2), joined(4, recovered=False), entry(5))
    assert [entry(n) for n in range(1, 6)] == await followed(Log(range(1, 6)), *events)


async def test_a_hub_that_goes_away_while_the_log_is_read_is_waited_for() -> None:
    found = await followed(Log(range(1, 5), away=2), joined(4, recovered=False))
    assert [entry(n) for n in range(1, 5)] == found


async def test_what_is_kept_no_longer_is_said() -> None:
    found = await followed(Log([4, 5]), joined(6, recovered=False), entry(7))
    assert [Lost(1, 3), entry(4), entry(5), Lost(6, 6), entry(7)] == found


async def test_another_log_is_said_and_followed_from_where_it_is() -> None:
    events = (joined(9, recovered=True), joined(3, recovered=False, epoch="e2"), entry(4))
    found = await followed(Log([]), *events, since=9)
    assert [Lost(10, 3, another_log=True), entry(4)] == found


async def test_a_room_that_may_be_read_no_longer_ends_it() -> None:
    with pytest.raises(Missing, match="no such room"):
        await followed(Log([]), joined(0, recovered=True), Left("room_1", Missing("no such room")))


@pytest.mark.slow
async def test_more_than_a_hub_replays_comes_once_and_in_order_while_more_is_said(
    hub: HubProcess,
) -> None:
    async with (
        open_guest(hub) as guest,
        open_connection(hub.address, guest.key) as speaker,
        open_client(hub.address, guest.key) as client,
        open_connection(hub.address, guest.key) as connection,
    ):
        await asyncio.gather(*(speaker.post(guest.room_id, f"{n}") for n in range(1_100)))
        room, seqs = await client.room(guest.room_id), list[int]()
        last = room["head"] + 50
        async with (
            asyncio.TaskGroup() as group,
            aclosing(follow(client, connection, room, 0)) as events,
        ):
            for n in range(50):
                group.create_task(speaker.post(guest.room_id, f"more {n}"))
            async for event in events:
                if isinstance(event, Logged):
                    seqs.append(event.seq)
                    if event.seq == last:
                        break
        assert list(range(1, last + 1)) == seqs
