"""How a process reaches Redis, whatever kind of it a URL names."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from operator import attrgetter

from hub.bus.client import ANSWER_TIMEOUT_S, BLOCKING_S, make_client
from hub.bus.cluster import SCHEMES, Client, ClusterClient, open_shards
from hub.bus.pipe import Pipe, Sender
from hub.bus.places import OnePlace, Places
from hub.bus.router import Router
from hub.bus.shards import LOOK_S


@dataclass(frozen=True, slots=True)
class Clients:
    """For commands, for many that go out together all the time, for reads that block, and where
    channels are served."""

    commands: Client
    sender: Sender
    blocking: Client
    places: Places


@contextlib.asynccontextmanager
async def open_clients(url: str, *, look_s: float = LOOK_S) -> AsyncIterator[Clients]:
    """Clients with connections of their own; closed at the end. A cluster is looked at every
    `look_s`, besides when there is a sign that it has changed."""
    if url.startswith(SCHEMES):
        async with open_shards(url, look_s) as shards:
            commands = ClusterClient(shards, attrgetter("commands"))
            blocking = ClusterClient(shards, attrgetter("blocking"))
            sender = Router(shards, lambda server, several: server.pipe.send(several))
            yield Clients(commands, sender, blocking, commands)
        return
    one, patient = make_client(url), make_client(url, answer_timeout_s=BLOCKING_S)
    try:
        yield Clients(one, Pipe(one.connection_pool, ANSWER_TIMEOUT_S), patient, OnePlace(one))
    finally:
        await one.aclose()
        await patient.aclose()
