"""`hub.gateway.sse`: an answer that goes on, ends with its client, and is never silent for long."""

from __future__ import annotations

import asyncio
from typing import Any

from hub.gateway.sse import EventStream, Say
from hub.wire.sse import HEARTBEAT
from tests.support.redis import until

SCOPE: dict[str, Any] = {"type": "http", "method": "GET"}


class Browser:
    """The other end of one answer."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.got: list[bytes] = []
        self.complete = False

    async def receive(self) -> Any:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            self.got.append(message["body"])
            self.complete = not message["more_body"]


async def test_what_is_said_is_sent_and_the_answer_ends_with_its_source() -> None:
    browser, ends = Browser(), list[str]()

    async def produce(say: Say) -> None:
        await say(b"one")
        await say(b"two")

    await EventStream(produce, lambda: ends.append("end"))(SCOPE, browser.receive, browser.send)
    assert [b"one", b"two", b""] == browser.got
    assert browser.complete
    assert ["end"] == ends


async def test_a_client_that_leaves_ends_its_source() -> None:
    browser, ends = Browser(), list[str]()

    async def produce(say: Say) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("source")

    answer = EventStream(produce, lambda: ends.append("end"))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(answer(SCOPE, browser.receive, browser.send))
        await asyncio.sleep(0)
        browser.left.set()
    assert ["source", "end"] == ends


async def test_a_silent_source_is_heard_to_be_alive() -> None:
    browser = Browser()

    async def produce(say: Say) -> None:
        await until(lambda: browser.got.count(HEARTBEAT) >= 2)

    answer = EventStream(produce, lambda: None, heartbeat_s=0.01)
    await answer(SCOPE, browser.receive, browser.send)
    assert set(browser.got) == {HEARTBEAT, b""}


async def test_a_head_request_gets_no_body() -> None:
    browser, ends = Browser(), list[str]()

    async def produce(say: Say) -> None:
        raise AssertionError("nobody wants it")

    answer = EventStream(produce, lambda: ends.append("end"))
    await answer(SCOPE | {"method": "HEAD"}, browser.receive, browser.send)
    assert (["end"], [b""]) == (ends, browser.got)
