"""The pool as a service: beside a gateway as its sidecar, or in a process of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping

from hub.outbound import guarded_client
from hub.parts import Parts, now_ms
from hub.process import CannotStart
from workers.breaker import Breaker
from workers.drivers.a2a import A2aDriver
from workers.drivers.base import Driver
from workers.drivers.callables import CallableDriver
from workers.drivers.model import ModelDriver
from workers.drivers.sockets import SocketDriver
from workers.drivers.webhook import WebhookDriver
from workers.pool import Pool
from workers.run import Tools


def _callables(entries: Mapping[str, str]) -> CallableDriver:
    try:
        return CallableDriver(entries)
    except ValueError as error:
        raise CannotStart(f"setting {error}") from None


async def serve(parts: Parts, stopping: asyncio.Event) -> None:
    """Work runs until `stopping` is set and what was begun has ended."""
    name = f"{socket.gethostname()}-{os.getpid()}"
    async with guarded_client(parts.settings.outbound_allow) as client:
        drivers: dict[str, Driver] = {
            "model": ModelDriver(parts.models),
            "webhook": WebhookDriver(client, now_ms),
            "socket": SocketDriver(),
            "a2a": A2aDriver(client),
            "callable": _callables(parts.settings.callables),
        }
        pool = Pool(Tools(parts, drivers, Breaker(time.monotonic)), name)
        with parts.telling(pool.tell):
            await pool.run(stopping)
