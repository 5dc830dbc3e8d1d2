"""Packets on a room's bus channel: framed events, ready for the sockets of every gateway.

One packet is one PUBLISH: a byte that says what it carries, for events the first seq and how many
(8 and 4 bytes, big endian), then WebSocket text frames, joined.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

EVENTS: Final = b"E"
ACCESS: Final = b"A"
EPHEMERAL: Final = b"D"
_HEAD: Final = struct.Struct(">cQI")
SUSPECTS: Final = "hub/suspects"  # a channel of rooms that grew without a packet, as a JSON list


def own_channel(tenant_id: str, participant_id: str) -> str:
    """The name of a participant's own channel, where a room's id stands otherwise."""
    return f"me/{tenant_id}/{participant_id}"


def note(tenant_id: str, participant_id: str, frame: bytes) -> Note:
    """One framed event for a participant's own connections."""
    return own_channel(tenant_id, participant_id), Packet(0, 1, frame)


class BadPacket(ValueError):
    """Something on the channel that no hub wrote."""


@dataclass(frozen=True, slots=True)
class Packet:
    """`access` marks events that change who may read; `first` is 0 for ephemeral events."""

    first: int
    count: int
    frames: bytes
    access: bool = False

    @property
    def last(self) -> int:
        return self.first + self.count - 1


Note = tuple[str, Packet]
"""A packet for the channel of this name."""


def pack(packet: Packet) -> bytes:
    """The bytes to publish."""
    if packet.first == 0:
        return EPHEMERAL + packet.frames
    kind = ACCESS if packet.access else EVENTS
    return _HEAD.pack(kind, packet.first, packet.count) + packet.frames


def unpack(data: bytes) -> Packet:
    """What `pack` was given; BadPacket for anything else."""
    kind = data[:1]
    if kind == EPHEMERAL:
        return Packet(0, 1, data[1:])
    if kind not in (EVENTS, ACCESS) or len(data) < _HEAD.size:
        raise BadPacket(f"{len(data)} bytes that begin with {kind!r}")
    _, first, count = _HEAD.unpack_from(data)
    return Packet(first, count, data[_HEAD.size :], kind == ACCESS)
