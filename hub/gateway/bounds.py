"""What a server allows its connections, and what they all share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from uvicorn.server import ServerState

from hub.gateway.counts import Counts
from hub.gateway.crowd import Apart
from hub.gateway.pressure import Pressure

FRAME_BYTES: Final = 65_536
PENDING_TOTAL_BYTES: Final = 268_435_456


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds until a peer is given up, and sizes. `head_s` is for the head of an HTTP request,
    `body_s` for its body, `close_s` for what a peer still has to read when it was sent a Close,
    `stalled_s` for a peer that takes nothing of what waits for it."""

    heartbeat_s: float = 25.0
    drain_s: float = 15.0
    head_s: float = 10.0
    body_s: float = 30.0
    close_s: float = 5.0
    stalled_s: float = 20.0
    sockets: int = 22_000
    deflate: bool = False


@dataclass
class SharedState(ServerState):
    """uvicorn's state of a server, and ours. What waits for clients counts into one `pressure`,
    whether on a connection or before it; who is not to be written to straight now is `apart`."""

    bounds: Bounds = field(default_factory=Bounds)
    pressure: Pressure = field(default_factory=lambda: Pressure(PENDING_TOTAL_BYTES))
    counts: Counts = field(default_factory=Counts)
    apart: Apart = field(default_factory=Apart)

    def __post_init__(self) -> None:
        super().__init__()
