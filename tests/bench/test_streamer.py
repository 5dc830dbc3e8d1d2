"""The server of streams that benches measure against."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import httpx


@asynccontextmanager
async def run_server(module: str, *arguments: str) -> AsyncIterator[str]:
    """The address of one in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}/"
    finally:
        process.kill()
        await process.wait()


async def test_each_mark_of_an_answer_is_made_when_it_is_sent() -> None:
    async with (
        run_server("hub.bench.endpoint", "0", "3", "0.01") as url,
        httpx.AsyncClient() as http,
    ):
        answers = await asyncio.gather(*(http.post(url, json={"any": "thing"}) for _ in range(2)))
    for answer in answers:
        *pieces, end, rest = answer.text.split("\n\n")
        numbers, times = zip(*(piece[15:-3].split(":") for piece in pieces), strict=True)
        assert ("0", "1", "2") == numbers
        assert all(int(b) - int(a) > 5_000_000 for a, b in pairwise(times))
        assert ("data: [DONE]", "") == (end, rest)


async def test_an_answer_ends_with_its_last_piece() -> None:
    """Nobody waits for a piece that will not come."""
    async with (
        run_server("hub.bench.endpoint", "0", "1", "3600") as url,
        httpx.AsyncClient() as http,
    ):
        answer = await http.post(url, json={})
    assert answer.text.endswith('"}\n\ndata: [DONE]\n\n')


async def test_the_words_of_a_reply_follow_from_what_was_said() -> None:
    chat = {"messages": [{"role": "user", "content": "old"}, {"role": "user", "content": "hi"}]}
    async with run_server("tests.bench.upstream", "2", "0") as url, httpx.AsyncClient() as http:
        async with http.stream("POST", url, json=chat) as left:
            assert left.is_success
        answer = await http.post(url, json=chat)
    assert [True, True] == [f'"hi-{n} "' in answer.text for n in range(2)]
    assert answer.text.endswith('"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
