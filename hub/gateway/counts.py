"""What a gateway has done since its process began, as plain numbers: they are added to where a
whole tick, a connection or a page is dealt with, never for a single delivery."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """`deliveries` are events of the log times those they were written to, `writes` the joined
    frames of a tick; `closed` by close code, `answered` by HTTP status;
    `refused` commands and `failed` requests by error code."""

    sockets: int = 0
    streams: int = 0
    slow_streams: int = 0
    closed: Counter[int] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    answered: Counter[int] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    deliveries: int = 0
    writes: int = 0
    recovered: int = 0
    unrecovered: int = 0
    replayed: int = 0
    repairs: int = 0
    repaired: int = 0
