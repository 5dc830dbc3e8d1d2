"""What to put on a server and what came of it: the two values that cross into the generator's
process and back, as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from hub.bench.marks import DIGITS, MARK

_PLACE = re.compile(r"\{(room|roomid|key|conn|payload|stamp|filler)\}")


@dataclass(frozen=True, slots=True)
class Load:
    """Rooms x members connections; the first of each room publishes.

    Texts may hold `{room}` (a number), `{roomid}` (of `room_ids`), `{key}` (of `keys`, one per
    connection in turn) and `{conn}`; `publish` also `{payload}` (a stamp filled up to `size`
    bytes), or `{stamp}` alone with `{filler}` elsewhere. `wire` is `ws` for WebSocket text frames
    after a handshake, or `raw` for bytes as they are. A connection is ready when it has seen the
    text `ready`; `acked` and `refused` are counted on publishers. What the connections `keep`
    bring is written to `keep_dir`/<number>. `pids` are the server's processes, whose computing
    time is read. What is missing when nothing came for `quiet_s` is given up. With `publishers_at`
    those who publish connect to that host and port instead, and a message is in flight until the
    first of the others has it.
    """

    host: str
    port: int
    publish: str
    path: str = "/"
    headers: tuple[str, ...] = ()
    pre: tuple[str, ...] = ()
    wire: Literal["ws", "raw"] = "ws"
    rooms: int = 1
    members: int = 1
    window: int = 1
    rate: float = 0.0
    size: int = 200
    secs: float = 5.0
    settle_s: float = 0.5
    quiet_s: float = 3.0
    ready: str = ""
    acked: str = ""
    refused: str = ""
    room_ids: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    keep: tuple[int, ...] = ()
    keep_dir: str = ""
    pids: tuple[int, ...] = ()
    publishers_at: tuple[str, int] | None = None

    def leads(self, conn: int) -> bool:
        """Whether connection `conn` publishes."""
        return conn % self.members == 0

    def address(self, conn: int) -> tuple[str, int]:
        """Where it connects to."""
        elsewhere = self.publishers_at if self.leads(conn) else None
        return elsewhere or (self.host, self.port)

    @property
    def filled_by(self) -> int:
        """The member of a room whose receipt of a message makes room for the next."""
        return 1 if self.publishers_at and self.members > 1 else 0

    def fill(self, text: str, conn: int) -> str:
        """`text` as connection `conn` sends it; the digits of a stamp are zeros."""
        return _PLACE.sub(lambda match: self._value(match.group(1), conn), text)

    def _value(self, name: str, conn: int) -> str:
        room = conn // self.members
        stamp = MARK.decode() + "0" * DIGITS
        if name == "roomid":
            return self.room_ids[room]
        if name == "key":
            return self.keys[conn % len(self.keys)]
        if name == "payload":
            return stamp.ljust(self.size, "x")
        values = {"room": str(room), "conn": str(conn), "stamp": stamp, "filler": "x" * self.size}
        return values[name]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Load:
        return cls(**_tuples(json.loads(text)))


@dataclass(frozen=True, slots=True)
class Counted:
    """What the generator saw. `in_time` are the deliveries before the publishers stopped, in
    `elapsed_s`; the rest came while it waited for what was under way. `uneven` connections got
    more or fewer than their room was sent; `busy` is the share of a core the generator used,
    `cpu_s` what the server's processes computed in `elapsed_s`. `opening_cpu_s` is what they
    computed until all were ready, `grown_bytes` how much they grew until publishing began."""

    conns: int
    failed: int
    lost: int
    why: str
    sent_by_room: tuple[int, ...]
    delivered: int
    in_time: int
    uneven: int
    acked: int
    refused: int
    elapsed_s: float
    connect_s: float
    ready_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    busy: float
    cpu_s: float = 0.0
    opening_cpu_s: float = 0.0
    grown_bytes: int = 0

    @property
    def sent(self) -> int:
        return sum(self.sent_by_room)

    @property
    def per_s(self) -> float:
        return self.in_time / self.elapsed_s

    @property
    def cpu_us(self) -> float:
        """What a delivery costs the server, in microseconds; 0 when it was not watched."""
        return self.cpu_s * 1e6 / self.in_time if self.in_time else 0.0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Counted:
        return cls(**_tuples(json.loads(text)))


def _tuples(found: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples; the values above have no lists."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in found.items()}
