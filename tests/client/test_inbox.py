"""Events that wait for the consumer."""

from __future__ import annotations

import asyncio

import pytest

from hub.client.events import Connected, Disconnected
from hub.client.inbox import Inbox
from hub.core.errors import Unauthenticated


def event(number: int) -> Connected:
    return Connected(str(number), {})


async def test_it_is_full_at_its_limit_and_has_space_at_half() -> None:
    inbox = Inbox(4)
    inbox.put([event(n) for n in range(4)])
    assert (True, False) == (inbox.full, inbox.has_space)
    await inbox.take()
    assert (False, False) == (inbox.full, inbox.has_space)
    await inbox.take()
    assert inbox.has_space


async def test_an_offered_event_is_left_out_when_it_is_full() -> None:
    inbox = Inbox(1)
    inbox.put([event(1)])
    inbox.offer(Disconnected(None, "", 0))
    inbox.end(None)
    assert event(1) == await inbox.take()
    with pytest.raises(StopAsyncIteration):
        await inbox.take()


async def test_what_is_there_can_be_taken_after_the_end_then_the_error_comes() -> None:
    inbox = Inbox(4)
    inbox.put([event(1)])
    inbox.end(Unauthenticated("the key was revoked"))
    assert event(1) == await inbox.take()
    with pytest.raises(Unauthenticated):
        await inbox.take()


async def test_cancelling_a_take_loses_nothing() -> None:
    inbox = Inbox(4)
    async with asyncio.TaskGroup() as group:
        taking = group.create_task(inbox.take())
        await asyncio.sleep(0)
        inbox.put([event(1)])
        taking.cancel()
    assert event(1) == await inbox.take()
