"""RFC 6455 from a raw socket, case by case, numbered as Autobahn's test suite groups them:
1 framing, 2 pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing,
9 limits. (10 is in 9; 12 and 13, compression, in `test_deflate.py`.) The hub echoes nothing: what
comes back for a message is the reply to a command.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.people import Person, add_person
from tests.e2e.raw import BINARY, CLOSE, PING, TEXT, RawSocket, masked_frame, open_raw
from tests.support.hub import HubProcess

CONT, PONG = 0x0, 0xA
MOST = 65_536
END = b'{"id":"end","type":"ping"}'


@pytest.fixture(scope="module")
def caller(hub: HubProcess) -> Iterator[Person]:
    person = add_person(hub, "caller")
    with person.client:
        yield person


@pytest.fixture
def line(hub: HubProcess, caller: Person) -> Iterator[RawSocket]:
    """A socket past its hello."""
    with open_raw(hub, f"Authorization: Bearer {caller.key}".encode()) as socket:
        found = socket.receive()
        assert found is not None
        assert "hello" == json.loads(found[1])["type"]
        yield socket


def command(name: str, size: int = 0) -> bytes:
    """A command that is answered with this id, filled up to a size."""
    return json.dumps({"id": name, "type": "ping"}, ensure_ascii=False).encode().ljust(size)


def text(payload: bytes, *, fin: bool = True, rsv: int = 0) -> bytes:
    return masked_frame(payload, TEXT, fin=fin, rsv=rsv)


def cont(payload: bytes, *, fin: bool) -> bytes:
    return masked_frame(payload, CONT, fin=fin)


def pieces(payload: bytes, size: int, between: bytes = b"") -> bytes:
    """A text message in fragments of so many bytes, with frames between them."""
    parts = [payload[i : i + size] for i in range(0, len(payload), size)]
    frames = [cont(part, fin=False) for part in parts[1:-1]]
    return between.join([text(parts[0], fin=False), *frames, cont(parts[-1], fin=True)])


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    return masked_frame((b"" if code is None else code.to_bytes(2, "big")) + reason, CLOSE)


def ping(payload: bytes = b"") -> bytes:
    return masked_frame(payload, PING)


def case(name: str, sent: bytes, *expected: object) -> object:
    return pytest.param(sent, expected, id=name)


def ids_and_pongs(line: RawSocket) -> list[object]:
    """What came up to the reply to END, or the close code: ids of replies, payloads of pongs."""
    came: list[object] = []
    while (found := line.receive()) is not None:
        opcode, payload = found
        if opcode == CLOSE:
            return [*came, int.from_bytes(payload[:2], "big") if payload else "closed"]
        if opcode == PONG:
            came.append(payload)
        elif (frame := json.loads(payload))["type"] == "reply":
            if frame["id"] == "end":
                return came
            came.append(frame["id"])
    return [*came, "cut"]


REFUSED = None  # the reply to a message that is no command has no id

ACCEPTED = [
    case("1.1.1 a text of 0 bytes", text(b""), REFUSED),
    *[
        case(f"1.1 a text of {size} bytes", text(command("a", size)), "a")
        for size in (125, 126, 127, 128, 65_535, MOST)
    ],
    *[
        case(f"1.2 a binary message of {size} bytes", masked_frame(b"x" * size, BINARY), REFUSED)
        for size in (0, 125, 126, 65_535)
    ],
    case("1.1 two messages in one write", text(command("a")) + text(command("b")), "a", "b"),
    case("2.1 an empty ping", ping(), b""),
    case("2.2 a ping with a payload", ping(b"Hello, world!"), b"Hello, world!"),
    case("2.3 a ping with a binary payload", ping(b"\x00\xff\xfe\xfd"), b"\x00\xff\xfe\xfd"),
    case("2.4 a ping of 125 bytes", ping(b"\xfe" * 125), b"\xfe" * 125),
    case("2.7 a pong nobody asked for", masked_frame(b"", PONG)),
    case("2.8 a pong with a payload", masked_frame(b"unsolicited", PONG)),
    case("2.9 a pong, then a ping", masked_frame(b"x", PONG) + ping(b"y"), b"y"),
    case("2.10 ten pings at once", b"".join(ping(b"%d" % n) for n in range(10)),
         *[b"%d" % n for n in range(10)]),
    case("5.3 a text in two fragments", pieces(command("a"), 12), "a"),
    case("5.5 a text in fragments of one byte", pieces(command("a"), 1), "a"),
    case("5.6 a ping between two fragments", pieces(command("a"), 14, ping(b"p")), b"p", "a"),
    case("5.8 a ping between all fragments", pieces(command("a"), 6, ping(b"p")),
         *[b"p"] * 4, "a"),
    case("5.15 an empty first fragment", text(b"", fin=False) + cont(command("a"), fin=True), "a"),
    case("5.16 an empty last fragment", text(command("a"), fin=False) + cont(b"", fin=True), "a"),
    case("5.17 fragments of nothing are a text of nothing",
         text(b"", fin=False) + cont(b"", fin=False) + cont(b"", fin=True), REFUSED),
    case("5.18 binary fragments", masked_frame(b"x", BINARY, fin=False) + cont(b"y", fin=True),
         REFUSED),
    case("5.20 a message after a fragmented one", pieces(command("a"), 9) + text(command("b")),
         "a", "b"),
    case("6.2 text beyond ASCII", text(command("Hello-µ@ßöäüàá-UTF-8!!")),
         "Hello-µ@ßöäüàá-UTF-8!!"),
    case("6.2 text cut inside its code points", pieces(command("κόσμε€😀"), 1), "κόσμε€😀"),
    case("6.5 the last code points of each length", text(command("\x7f\u07ff\ud7ff\U0010ffff")),
         "\x7f\u07ff\ud7ff\U0010ffff"),
    case("6.22 noncharacters", text(command("\ufffe\uffff")), "\ufffe\uffff"),
    case("9.1 64 KiB in 64 fragments", pieces(command("a", MOST), 1_024), "a"),
    case("9.3 64 KiB in 1024 fragments", pieces(command("a", MOST), 64), "a"),
]  # fmt: skip

FATAL = [
    case("2.5 a ping of 126 bytes", ping(b"x" * 126), 1002),
    *[
        case(f"3.{rsv} reserved bits {rsv:03b} on a text", text(command("a"), rsv=rsv), 1002)
        for rsv in range(1, 8)
    ],
    case("3.8 reserved bits on a ping", masked_frame(b"", PING, rsv=4), 1002),
    case("3.9 reserved bits on a Close", masked_frame(b"", CLOSE, rsv=2), 1002),
    *[
        case(f"4 opcode {opcode:#x}", masked_frame(b"", opcode), 1002)
        for opcode in (0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF)
    ],
    case("5.1 a fragmented ping", masked_frame(b"x", PING, fin=False), 1002),
    case("5.2 a fragmented pong", masked_frame(b"x", PONG, fin=False), 1002),
    case("5.9 a continuation of nothing", cont(b"x", fin=True), 1002),
    case("5.10 an open continuation of nothing", cont(b"x", fin=False), 1002),
    case("5.13 a continuation after a message", text(command("a")) + cont(b"x", fin=True), 1002),
    case("5.14 a text inside another", text(b"{", fin=False) + text(command("a")), 1002),
    case("5 a frame without a mask", masked_frame(command("a"), masked=False), 1002),
    *[
        case(f"6.{n} bytes {bad.hex(' ')}", text(bad), 1007)
        for n, bad in enumerate(
            (
                b"\x80", b"\xbf", b"\xc3", b"\xc3(", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf",
                b"\xe2\x82", b"\xe2\x28\xa1", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\xaf",
                b"\xf0\x90\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfe", b"\xff",
            ),
            start=3,
        )
    ],
    case("6.4 what is no UTF-8 in fragments",
         text(b'{"id":"\xce\xba\xe1', fin=False) + cont(b'\xed\xa0\x80"}', fin=True), 1007),
    case("7.3.1 an empty Close", close(), "closed"),
    case("7.3.2 a Close of one byte", masked_frame(b"\x03", CLOSE), 1002),
    case("7.3.5 a reason of 123 bytes", close(1000, b"r" * 123), 1000),
    case("7.3.6 a reason of 124 bytes", close(1000, b"r" * 124), 1002),
    case("7.5.1 a reason that is no UTF-8", close(1000, b"\xed\xa0\x80"), 1007),
    *[
        case(f"7.7 code {code} is answered alike", close(code), code)
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    ],
    *[
        case(f"7.9 code {code} may not be sent", close(code), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
    ],
    case("7.1.2 two Closes", close(1000) + close(4000), 1000),
    case("7.1.3 a ping after the Close", close(1000) + ping(b"late"), 1000),
    case("7.1.4 a message after the Close", close(1000) + text(command("late")), 1000),
    case("7.1.5 a Close in the middle of a message", text(b"{", fin=False) + close(1000), 1002),
    case("9.2 64 KiB and a byte", text(command("a", MOST + 1)), 1009),
    case("9.4 64 KiB and a byte in fragments", pieces(command("a", MOST + 1), 8_192), 1009),
    case("9.5 more than 1024 fragments", pieces(command("a", 1_100), 1), 1009),
    case("9.6 a frame that says it is a terabyte",
         bytes((0x81, 0xFF)) + (2**40).to_bytes(8, "big"), 1009),
    case("9.7 a length whose first bit is set", bytes((0x81, 0xFF)) + b"\xff" * 8, 1009),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "expected"), ACCEPTED)
@pytest.mark.parametrize("chop", [0, 7], ids=["whole", "chopped"])
def test_what_is_right_is_served(
    line: RawSocket, sent: bytes, expected: tuple[object, ...], chop: int
) -> None:
    whole = sent + text(END)
    size = chop if chop and len(whole) < 4_096 else len(whole)
    for start in range(0, len(whole), size):
        line.connection.sendall(whole[start : start + size])
    assert list(expected) == ids_and_pongs(line)


@pytest.mark.parametrize(("sent", "expected"), FATAL)
def test_what_is_wrong_closes_with_the_code_that_says_why(
    line: RawSocket, sent: bytes, expected: tuple[object, ...]
) -> None:
    line.connection.sendall(sent)
    assert list(expected) == ids_and_pongs(line)
    assert line.receive() is None, "the server closes the connection"
