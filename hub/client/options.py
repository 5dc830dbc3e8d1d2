"""What a connection is told when it is made: its bounds, and what is outside of it."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hub.client.reconnect import BASE_S, CAP_S

Token = str | Callable[[], Awaitable[str]]
"""A key, or what fetches one for every connection anew."""


@dataclass(frozen=True, slots=True)
class Options:
    """Bounds and the outside world. Seconds where the name says `_s`; `events` is how many wait
    for the consumer, `in_flight` how many commands for their answer (more callers wait)."""

    events: int = 1_000
    in_flight: int = 256
    open_s: float = 10.0
    ping_s: float = 20.0
    backoff_base_s: float = BASE_S
    backoff_cap_s: float = CAP_S
    random: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    new_id: Callable[[], str] = field(default=lambda: uuid.uuid4().hex)
