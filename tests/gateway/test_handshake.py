"""`hub.gateway.handshake`: the few words that are taken directly, and the rules for all others."""

from __future__ import annotations

import itertools

import pytest

from hub.gateway.handshake import Lines, NoHandshake, Opening, _judge, judge

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # the example of RFC 6455, section 1.3
VARIANTS: dict[bytes, tuple[list[bytes], ...]] = {
    b"upgrade": ([b"websocket"], [b"WebSocket"], [], [b"websocket, h2c"], [b"websocket"] * 2),
    b"connection": ([b"Upgrade"], [b"keep-alive, Upgrade"], [b"close"], [b"Upgrade", b"close"]),
    b"sec-websocket-version": ([b"13"], [], [b"8"], [b"13, 8"], [b"8", b"13"]),
    b"sec-websocket-key": ([KEY], [], [b"c2hvcnQ="], [b"?"], [KEY, KEY], [KEY[:-3] + b"Z=="]),
    b"sec-websocket-protocol": ([], [b"roomhub.v1.json"], [b"a, b"], [b"a,,"], [b"caf\xe9"]),
    b"sec-websocket-extensions": (
        [], [b"permessage-deflate"], [b"permessage-deflate; client_max_window_bits"],
        [b"permessage-deflate; server_max_window_bits=9"], [b";"],
    ),
    b"origin": ([], [b"http://a"], [b"http://a", b"http://b"]),
}  # fmt: skip
PLAIN = {name: variants[0] for name, variants in VARIANTS.items()}


def lines_of(said: dict[bytes, list[bytes]]) -> Lines:
    return [(b"host", b"a"), *((name, v) for name, values in said.items() for v in values)]


def answered(method: bytes, lines: Lines, *, deflate: bool, by_rules: bool) -> tuple[int, object]:
    way = _judge if by_rules else judge
    try:
        found = way(method, b"/v1/ws", lines, deflate=deflate)
    except NoHandshake as refused:
        return int(refused.response.split()[1]), None
    return 101, (found.accept, found.agreed)


@pytest.mark.parametrize("deflate", [False, True])
def test_what_is_taken_directly_is_what_the_rules_let_in(deflate: bool) -> None:
    """Any two lines said in any way."""
    statuses = set()
    for one, other in itertools.combinations(VARIANTS, 2):
        for these, those in itertools.product(VARIANTS[one], VARIANTS[other]):
            for method in (b"GET", b"POST"):
                lines = lines_of(PLAIN | {one: these, other: those})
                ours = answered(method, lines, deflate=deflate, by_rules=False)
                assert ours == answered(method, lines, deflate=deflate, by_rules=True)
                statuses.add(ours[0])
    assert {101, 400, 405, 426} == statuses


def test_the_answer_says_what_was_agreed_on() -> None:
    plain = Opening(ACCEPT).response(None)
    assert (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + ACCEPT.encode() + b"\r\n\r\n"
    ) == plain
    full = Opening(ACCEPT, "permessage-deflate").response("roomhub.v1.json")
    assert full.endswith(
        b"\r\nSec-WebSocket-Extensions: permessage-deflate"
        b"\r\nSec-WebSocket-Protocol: roomhub.v1.json\r\n\r\n"
    )


def test_the_proof_is_that_of_the_rfc() -> None:
    assert ACCEPT == judge(b"GET", b"/", lines_of(PLAIN), deflate=False).accept
