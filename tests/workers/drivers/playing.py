"""Invocations of a driver, and what is made of the parts it yields."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from hub.core.chat import ChatRequest, Finish, TextDelta
from hub.core.invoking import Ask, Invocation, Part, Remember, Status
from hub.core.values import Author, Json, Message, Run
from workers.drivers.a2a import A2aDriver
from workers.drivers.a2a_http import Bounds

ALICE = Author("user_alice", "user", "alice", "Alice")
HELPER = Author("agent_helper", "agent", "helper", "Helper")
QUICK = Bounds(poll_s=0.02, poll_most_s=0.05)


@asynccontextmanager
async def open_driver(bounds: Bounds = QUICK) -> AsyncIterator[A2aDriver]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield A2aDriver(client, bounds)


def message(text: str, seq: int = 9, author: Author = ALICE, **fields: Any) -> Message:
    return Message(f"msg_{seq}", "room_1", seq, None, author, text, (), 0, **fields)


def invocation(url: str, text: str = "write", **fields: Any) -> Invocation:
    run = Run(
        "run_1", "default", "room_1", HELPER.id, "msg_9", 0, "msg_1", "running", None, 1, 1,
        "msg_9", "msg_10", 0,
    )  # fmt: skip
    trigger = message(text)
    given = Invocation(
        run, HELPER, {"kind": "a2a", "url": url}, {"id": "room_1", "name": "Lab", "kind": "room"},
        trigger, (trigger,), ChatRequest("", ()), 30.0,
    )  # fmt: skip
    return replace(given, **fields)


def later(given: Invocation, memory: Json, answer: Message | None = None) -> Invocation:
    """The next attempt of the same run."""
    run = replace(given.run, attempt=given.run.attempt + 1, memory=memory)
    return replace(given, run=run, answer=answer)


async def play(driver: A2aDriver, given: Invocation) -> list[Part]:
    """Every part up to the end, checked against the port's promises."""
    async with asyncio.timeout(30):
        async with driver.invoke(given) as parts:
            played = [part async for part in parts]
    assert all(part.text for part in played if isinstance(part, TextDelta))
    assert [part for part in played[:-1] if isinstance(part, Finish | Ask)] == []
    return played


async def question(driver: A2aDriver, asking: Invocation) -> Ask:
    """What the agent asks back."""
    asked = (await play(driver, asking))[-1]
    assert isinstance(asked, Ask)
    return asked


def text_of(parts: list[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextDelta))


def statuses(parts: list[Part]) -> list[str]:
    return [part.text for part in parts if isinstance(part, Status)]


def memory_of(parts: list[Part]) -> Json:
    return [part.memory for part in parts if isinstance(part, Remember)][-1]


@asynccontextmanager
async def half_played(driver: A2aDriver, given: Invocation) -> AsyncIterator[Json]:
    """An attempt that has been told of its task and has its first text; yields what it remembers,
    is left in the middle."""
    async with asyncio.timeout(30):
        async with driver.invoke(given) as parts:
            seen = []
            async for part in parts:
                seen.append(part)
                if isinstance(part, TextDelta):
                    break
            yield memory_of(seen)
