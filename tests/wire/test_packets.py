"""`hub.wire.packets`: what is published to a room's channel."""

from __future__ import annotations

import random

import pytest

from hub.wire.frames import frame
from hub.wire.packets import BadPacket, Packet, pack, unpack

FRAMES = frame(b"{}") + frame(b'{"a":1}')


@pytest.mark.parametrize(
    "packet",
    [
        Packet(1, 2, FRAMES),
        Packet(2**53, 1, b""),
        Packet(7, 500, FRAMES, access=True),
        Packet(0, 1, FRAMES),
        Packet(0, 1, b""),
    ],
)
def test_a_packet_survives_the_bus(packet: Packet) -> None:
    assert unpack(pack(packet)) == packet


def test_a_packet_names_its_last_seq() -> None:
    assert Packet(5, 1, b"").last == 5
    assert Packet(5, 10, b"").last == 14


@pytest.mark.parametrize("data", [b"", b"E", b"A" + b"\0" * 11, b"X" * 30, b"\x81\x02{}", b"e"])
def test_what_no_hub_wrote_is_refused(data: bytes) -> None:
    with pytest.raises(BadPacket):
        unpack(data)


def test_garbage_is_refused_or_a_packet_and_never_anything_else() -> None:
    pick = random.Random(3)
    for _ in range(3_000):
        data = pick.choice((b"", b"E", b"A", b"D")) + pick.randbytes(pick.randrange(40))
        try:
            assert isinstance(unpack(data), Packet)
        except BadPacket:
            assert data[:1] != b"D"
