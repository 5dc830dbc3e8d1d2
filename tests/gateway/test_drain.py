"""`hub.gateway.gateway` on its way out: clients leave in batches, so that they do not come back to
the others all at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from hub.gateway.gateway import Gateway
from hub.parts import Parts

AT_ONCE = 50
LONG_S = 600.0


@dataclass(eq=False)
class Client:
    """A connection, and the codes it was closed with."""

    codes: list[int] = field(default_factory=list)

    def close(self, code: int, reason: str) -> None:
        self.codes.append(code)


def crowded(parts: Parts, count: int) -> tuple[Gateway, list[Client]]:
    gateway, clients = Gateway(parts), [Client() for _ in range(count)]
    crowd: Any = clients
    gateway.connections.update(crowd)
    return gateway, clients


def gone(clients: list[Client]) -> int:
    return sum(bool(client.codes) for client in clients)


@pytest.mark.parametrize(("count", "first"), [(30, 30), (120, AT_ONCE), (2_000, 200)])
async def test_of_many_clients_a_part_leaves_at_first(parts: Parts, count: int, first: int) -> None:
    gateway, clients = crowded(parts, count)
    draining = asyncio.create_task(gateway.drain(LONG_S))
    await asyncio.sleep(0)
    assert first == gone(clients)
    draining.cancel()


async def test_all_have_left_in_the_end_and_each_was_told_once(parts: Parts) -> None:
    gateway, clients = crowded(parts, 2_000)
    await gateway.drain(0)
    assert [[1012]] * len(clients) == [client.codes for client in clients]
