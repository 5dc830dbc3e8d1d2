"""`hub.bus.line`: a connection that broke is not made again behind anybody's back."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Gone

from hub.bus.client import TORN, make_client
from hub.bus.line import Line, open_line
from tests.support.redis import until


async def test_what_is_subscribed_is_heard_until_it_is_not(valkey: str) -> None:
    client = make_client(valkey)
    async with open_line(client.connection_pool) as line, Redis.from_url(valkey) as raw:
        await line.subscribe(["a", "b"])
        assert [[b"ssubscribe", b"a", 1], [b"ssubscribe", b"b", 2]] == [
            await line.read(),
            await line.read(),
        ]
        await line.unsubscribe(["a"])
        assert [b"sunsubscribe", b"a", 1] == await line.read()
        await raw.spublish("a", b"1")
        await raw.spublish("b", b"2")
        assert [b"smessage", b"b", b"2"] == await line.read()
    await client.aclose()


async def test_a_line_that_broke_stays_broken_whoever_uses_it(valkey: str) -> None:
    client = make_client(valkey)
    async with open_line(client.connection_pool) as line, Redis.from_url(valkey) as raw:
        await line.subscribe(["a"])
        await line.read()
        reading = asyncio.create_task(line.read())
        subscribers = len(await raw.client_list(_type="pubsub"))
        await raw.client_kill_filter(_type="pubsub")
        with pytest.raises(Gone):
            await reading
        await until(lambda: _refuses(line))
        with pytest.raises(Gone):
            await line.subscribe(["b"])
        with pytest.raises(Gone):
            await line.read()
        assert subscribers - 1 == len(await raw.client_list(_type="pubsub"))
    await client.aclose()


async def _refuses(line: Line) -> bool:
    """Whether nothing can be sent any more: the first that is sent may still leave."""
    try:
        await line.subscribe(["b"])
    except TORN:
        return True
    return False


async def test_a_line_that_was_used_is_no_connection_for_others(valkey: str) -> None:
    client = make_client(valkey)
    async with open_line(client.connection_pool) as line:
        await line.subscribe(["a"])
    assert await client.ping()
    assert 0 == await client.spublish("a", b"nobody hears it")
    await client.aclose()


class Hesitant:
    """A connection on which everything takes a turn of the loop to leave."""

    is_connected = True

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def pack_commands(self, commands: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return commands

    async def send_packed_command(
        self, commands: list[tuple[str, str]], *, check_health: bool
    ) -> None:
        await asyncio.sleep(0)
        self.sent += commands


async def test_what_is_given_up_is_not_asked_for_afterwards() -> None:
    connection, rooms = Hesitant(), [f"room_{n}" for n in range(2_000)]
    line = Line(connection)
    await asyncio.gather(line.subscribe(rooms), line.unsubscribe(rooms[-1:]))
    assert ("SUNSUBSCRIBE", "room_1999") == connection.sent[-1]
