"""`hub.bus.pipe`: many commands at once on a connection that is kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Gone
from redis.exceptions import ResponseError

from hub.bus.client import make_client
from hub.bus.pipe import Command, Pipe
from tests.support.redis import until
from tests.support.redis_proxy import run_redis_proxy

PATIENCE_S = 10.0


def said(*words: object) -> Command:
    return words, {}


@contextlib.asynccontextmanager
async def open_pipe(
    url: str, answer_s: float = PATIENCE_S, kept_s: float = PATIENCE_S
) -> AsyncIterator[Pipe]:
    client = make_client(url)
    try:
        yield Pipe(client.connection_pool, answer_s, kept_s)
    finally:
        await client.aclose()


async def test_answers_come_in_order_with_errors_among_them(valkey: str) -> None:
    async with open_pipe(valkey) as pipe:
        first, wrong, last = await pipe.send(
            [said("ECHO", b"\x00one"), said("NOSUCH"), said("ECHO", "höre")]
        )
        assert (b"\x00one", "höre".encode()) == (first, last)
        assert isinstance(wrong, ResponseError)
        assert [b"next"] == await pipe.send([said("ECHO", "next")])


async def test_a_connection_is_kept_while_it_is_used_and_given_back_after(valkey: str) -> None:
    async with open_pipe(valkey) as busy, open_pipe(valkey, kept_s=-1.0) as idle:
        assert await busy.send([said("CLIENT", "ID")]) == await busy.send([said("CLIENT", "ID")])
        async with Redis.from_url(valkey) as raw:
            for pipe in (busy, idle):
                (number,) = await pipe.send([said("CLIENT", "ID")])
                await raw.client_kill_filter(_id=str(number))
        with pytest.raises(Gone):
            await busy.send([said("PING")])
        assert [b"PONG"] == await busy.send([said("PING")])
        assert [b"PONG"] == await idle.send([said("PING")])  # the pool saw that it was gone


async def test_an_answer_that_comes_late_is_nobody_elses(valkey: str) -> None:
    async with open_pipe(valkey, answer_s=1.0) as pipe, Redis.from_url(valkey) as raw:
        sending = await _blocked(pipe, raw, "late")
        with pytest.raises(TimeoutError):
            await sending
        await raw.rpush("late", "theirs")
        assert [b"mine"] == await pipe.send([said("ECHO", "mine")])


async def test_who_gives_up_leaves_no_answer_behind(valkey: str) -> None:
    async with open_pipe(valkey) as pipe, Redis.from_url(valkey) as raw:
        sending = await _blocked(pipe, raw, "given up")
        sending.cancel()
        await asyncio.wait({sending})
        await raw.rpush("given up", "theirs")
        assert [b"mine"] == await pipe.send([said("ECHO", "mine")])


async def _blocked(pipe: Pipe, raw: Redis, key: str) -> asyncio.Task[list[Any]]:
    """Somebody who waits for an answer of the server's."""
    sending = asyncio.create_task(pipe.send([said("BLPOP", key, 60)]))

    async def blocked() -> bool:
        return bool((await raw.info("clients"))["blocked_clients"])

    await until(blocked)
    return sending


async def test_many_send_at_once_and_each_gets_its_own(valkey: str) -> None:
    async with open_pipe(valkey) as pipe:
        answers = await asyncio.gather(*(pipe.send([said("ECHO", str(n))]) for n in range(50)))
        assert [[str(n).encode()] for n in range(50)] == answers


async def test_while_nobody_answers_all_who_send_end_together(valkey: str) -> None:
    """Each waits for as long as one answer may take, not for all before it too."""
    answer_s, many = 0.4, 16
    async with run_redis_proxy(valkey) as proxy, open_pipe(proxy.url, answer_s) as pipe:
        await pipe.send([said("PING")])
        proxy.swallowing = True
        async with asyncio.timeout(answer_s * many / 2):
            ended = await asyncio.gather(
                *(pipe.send([said("PING")]) for _ in range(many)), return_exceptions=True
            )
        assert all(isinstance(each, TimeoutError) for each in ended)
        proxy.swallowing = False
        assert [b"PONG"] == await pipe.send([said("PING")])


async def test_who_waits_while_the_connection_breaks_is_served_on_another(valkey: str) -> None:
    async with open_pipe(valkey) as pipe, Redis.from_url(valkey) as raw:
        (number,) = await pipe.send([said("CLIENT", "ID")])
        sending = await _blocked(pipe, raw, "broken")
        waiting = asyncio.gather(*(pipe.send([said("ECHO", str(n))]) for n in range(3)))
        await raw.client_kill_filter(_id=str(number))
        with pytest.raises(Gone):
            await sending
        assert [[b"0"], [b"1"], [b"2"]] == await waiting
