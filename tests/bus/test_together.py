"""`hub.bus.together`: calls of one script that go out together, each with its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Gone
from redis.exceptions import ResponseError

from hub.bus.client import make_client
from hub.bus.together import Together

SCRIPT = """
if ARGV[1] == 'fail' then return redis.error_reply('no') end
redis.call('APPEND', KEYS[1], ARGV[1])
return ARGV[1] .. '!'
"""


@pytest.fixture
async def client(valkey: str) -> AsyncIterator[Redis]:
    redis = make_client(valkey)
    yield redis
    await redis.aclose()


async def test_each_call_has_its_own_answer(client: Redis, prefix: str) -> None:
    script = Together(client, SCRIPT)
    calls = [script.call([f"{prefix}{n % 3}"], [f"v{n}"]) for n in range(100)]
    assert [f"v{n}!".encode() for n in range(100)] == await asyncio.gather(*calls)
    found = await client.get(f"{prefix}0")
    assert "".join(f"v{n}" for n in range(0, 100, 3)).encode() == found


async def test_a_call_that_fails_fails_alone(client: Redis, prefix: str) -> None:
    script = Together(client, SCRIPT)
    calls = [script.call([prefix], [value]) for value in ("a", "fail", "b")]
    one, bad, other = await asyncio.gather(*calls, return_exceptions=True)
    assert (b"a!", b"b!") == (one, other)
    assert isinstance(bad, ResponseError)


async def test_a_server_that_forgot_the_script_is_told_again(client: Redis, prefix: str) -> None:
    script = Together(client, f"{SCRIPT}-- {prefix}")
    assert b"a!" == await script.call([prefix], ["a"])
    assert b"b!" == await script.call([prefix], ["b"])
    await client.delete(prefix)
    again = Together(client, f"{SCRIPT}-- {prefix} again")
    assert b"c!" == await again.call([prefix], ["c"])
    assert b"c" == await client.get(prefix)


async def test_nobody_waits_for_ever_when_the_one_who_sends_is_cancelled(
    client: Redis, prefix: str
) -> None:
    script = Together(client, SCRIPT)
    for ticks in range(12):  # one of these is while it sends for the others
        before = asyncio.create_task(script.call([prefix], ["x"]))
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(script.call([prefix], [f"{n}"])) for n in range(4)]
        await before
        for _ in range(ticks):
            await asyncio.sleep(0)
        waiting[0].cancel()
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(answer, bytes | Gone) for answer in answers[1:])
    assert b"z!" == await script.call([prefix], ["z"])


async def test_without_a_server_everybody_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = make_client(f"unix://{tmp_path_factory.mktemp('none')}/none.sock")
    script = Together(nowhere, SCRIPT)
    calls = [script.call(["k"], ["v"]) for _ in range(3)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(answer, OSError | Gone) for answer in answers)
    await nowhere.aclose()
