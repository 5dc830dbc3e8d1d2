"""`hub.gateway.inbound` and the parser of `websockets`: the same messages from the same bytes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from hub.gateway.inbound import take_texts

MOST = 1_000
Heard = list[tuple[Opcode, bytes, bool]]


def masked(opcode: Opcode, body: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, body, fin).serialize(mask=True)


class Reader:
    """A server's end; `directly` as the hub reads, else as `websockets` does."""

    def __init__(self, *, directly: bool) -> None:
        self.protocol = ServerProtocol(state=State.OPEN, max_size=MOST)
        self.protocol.receive_data(b"")
        self.heard: Heard = []
        self.direct = 0
        self._directly = directly

    def read(self, data: bytes) -> None:
        if self._directly:
            texts, data = take_texts(self.protocol, data, MOST)
            self.heard += [(Opcode.TEXT, text, True) for text in texts]
            self.direct += len(texts)
        if data and self.protocol.parser_exc is None:
            self.protocol.receive_data(data)
        frames = [event for event in self.protocol.events_received() if isinstance(event, Frame)]
        self.heard += [(frame.opcode, bytes(frame.data), frame.fin) for frame in frames]

    @property
    def end(self) -> tuple[str | None, State, bytes]:
        refusal = self.protocol.parser_exc
        sent = b"".join(self.protocol.data_to_send())
        return (str(refusal) if refusal else None, self.protocol.state, sent)


def both(pieces: Iterable[bytes]) -> tuple[Reader, Reader]:
    ours, theirs = Reader(directly=True), Reader(directly=False)
    for piece in pieces:
        ours.read(piece)
        theirs.read(piece)
    return ours, theirs


@pytest.mark.parametrize("size", [0, 1, 2, 125, 126, 127, MOST])
def test_whole_text_frames_are_taken_directly(size: int) -> None:
    ours, theirs = both([masked(Opcode.TEXT, b"x" * size) + masked(Opcode.TEXT, b"second")])
    assert theirs.heard == ours.heard
    assert 2 == ours.direct


WRONG = {
    "a frame over the limit": masked(Opcode.TEXT, b"x" * (MOST + 1)),
    "a length of 8 bytes": b"\x81\xff" + (70_000).to_bytes(8, "big") + bytes(4),
    "an unmasked frame": Frame(Opcode.TEXT, b"hello, hello").serialize(mask=False),
    "an unmasked frame of two bytes of length": Frame(Opcode.TEXT, b"x" * 200).serialize(
        mask=False
    ),
    "reserved bits": b"\xc1" + masked(Opcode.TEXT, b"hello, hello")[1:],
    "a close": masked(Opcode.CLOSE, b"\x03\xe8"),
    "a text in the middle of another": masked(Opcode.TEXT, b"be", fin=False),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_ends_a_connection_ends_it_alike(wrong: str) -> None:
    whole = masked(Opcode.TEXT, b"hello, hello")
    for pieces in ([whole + WRONG[wrong] + whole, whole], [whole, WRONG[wrong], whole]):
        ours, theirs = both(pieces)
        assert (theirs.heard, theirs.end) == (ours.heard, ours.end)


def test_what_looks_like_a_frame_in_the_middle_of_another_is_part_of_it() -> None:
    whole = masked(Opcode.TEXT, b"hello, hello")
    head = b"\x82" + bytes((0x80 | len(whole),)) + bytes(4)  # a mask that changes nothing
    ours, theirs = both([head, whole + whole])
    assert [(Opcode.BINARY, whole, True), (Opcode.TEXT, b"hello, hello", True)] == theirs.heard
    assert (theirs.heard, theirs.end) == (ours.heard, ours.end)


def stream(rng: random.Random) -> bytes:
    """Messages as clients send them: whole, in fragments with pings between, of any kind."""
    parts: list[bytes] = []
    for _ in range(rng.randrange(1, 12)):
        body = rng.randbytes(rng.choice([0, 3, 4, 5, 120, 126, 300]))
        kind = rng.randrange(6)
        if kind <= 2:
            parts.append(masked(Opcode.TEXT, body))
        elif kind == 3:
            parts.append(masked(rng.choice([Opcode.BINARY, Opcode.PONG, Opcode.PING]), body[:125]))
        else:
            parts.append(masked(Opcode.TEXT, body, fin=False))
            parts.append(masked(Opcode.PING, b"p") * rng.randrange(2))
            parts.append(masked(Opcode.CONT, b"end"))
    return b"".join(parts)


def cut(data: bytes, rng: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        step = rng.choice([1, 2, 5, 64, 500, len(data)])
        yield data[at : at + step]
        at += step


@pytest.mark.parametrize("seed", range(50))
def test_any_stream_cut_anywhere_is_heard_alike(seed: int) -> None:
    rng = random.Random(seed)
    direct = 0
    for _ in range(20):
        ours, theirs = both(cut(stream(rng), rng))
        assert (theirs.heard, theirs.end) == (ours.heard, ours.end)
        direct += ours.direct
    assert direct > 0
