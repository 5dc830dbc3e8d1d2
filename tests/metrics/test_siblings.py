"""`hub.metrics.siblings` and what is made of what they tell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from socket import socket

import pytest
from prometheus_client import Metric

from hub.core.histogram import Histogram
from hub.metrics.families import counter, gauge, histogram
from hub.metrics.figures import together
from hub.metrics.siblings import Siblings, open_family


@pytest.fixture
def family() -> Iterator[list[socket]]:
    with open_family(3) as listeners:
        yield listeners


def told(number: int) -> list[Metric]:
    waits = Histogram((1,))
    waits.observe(number)
    return [
        counter("hub_things_total", "Things.", {"a": number}, "kind"),
        gauge("hub_level", "A level.", 10 * number),
        histogram("hub_wait_seconds", "Waits.", waits),
    ]


async def test_each_tells_what_all_have_to_tell(family: list[socket]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        siblings = [Siblings(number, family) for number in range(3)]
        for number, each in enumerate(siblings):
            await stack.enter_async_context(each.telling(partial(told, number)))
        for number, each in enumerate(siblings):
            assert {n: told(n) for n in range(3)} == await each.ask(told(number))


async def test_one_that_says_nothing_is_left_out_and_named(family: list[socket]) -> None:
    """It listens, as a process does that is blocked, or was killed and is not back yet."""
    first, second = Siblings(0, family), Siblings(1, family)
    async with second.telling(lambda: told(1)):
        found = await first.ask(told(0))
    assert {0: told(0), 1: told(1), 2: None} == found
    up, *_ = together(found)
    assert [("0", 1), ("1", 1), ("2", 0)] == [(s.labels["process"], s.value) for s in up.samples]


async def test_one_whose_asker_has_gone_goes_on_telling(family: list[socket]) -> None:
    mine, other = Siblings(0, family), Siblings(1, family)
    large = [gauge("hub_level", "x" * 10_000_000, 1)]
    async with mine.telling(lambda: large):
        _, writer = await asyncio.open_unix_connection(family[0].getsockname())
        writer.transport.abort()
        async with other.telling(lambda: told(1)):
            found = await other.ask(told(1))
    assert large == found[0]


def test_a_family_is_told_once_with_every_process_apart() -> None:
    merged = {each.name: each for each in together({0: told(0), 1: told(1)})}
    assert ["hub_process_up", "hub_things", "hub_level", "hub_wait_seconds"] == list(merged)
    things = [(s.name, s.labels, s.value) for s in merged["hub_things"].samples]
    assert [
        ("hub_things_total", {"process": "0", "kind": "a"}, 0),
        ("hub_things_total", {"process": "1", "kind": "a"}, 1),
    ] == things


def test_nobody_else_reaches_the_sockets_and_they_are_gone_in_the_end() -> None:
    with open_family(1) as (listener,):
        folder = Path(os.fsdecode(listener.getsockname())).parent
        assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
    assert not folder.exists()


async def test_whoever_ends_last_leaves_nothing_behind() -> None:
    """The parent may have been killed, and they end by that."""
    with open_family(2) as family:
        folder = Path(os.fsdecode(family[0].getsockname())).parent
        first, second = Siblings(0, family), Siblings(1, family)
        async with first.telling(lambda: told(0)):
            async with second.telling(lambda: told(1)):
                pass
            assert [folder / "0"] == [*folder.iterdir()]
        assert not folder.exists()
