"""The pool as a service: beside a gateway as its sidecar, or in a process of its own."""

from __future__ import annotations

import asyncio
import os
import socket

from hub.parts import Parts
from workers.drivers.model import ModelDriver
from workers.pool import Pool


async def serve(parts: Parts, stopping: asyncio.Event) -> None:
    """Work runs until `stopping` is set and what was begun has ended."""
    name = f"{socket.gethostname()}-{os.getpid()}"
    await Pool(parts, ModelDriver(parts.models), name).run(stopping)
