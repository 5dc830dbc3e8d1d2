"""Opening handshakes (RFC 6455, section 4) by hand: what is let in, and what is answered to the
rest."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.e2e.raw import exchange, masked_frame, open_raw, open_socket
from tests.support.hub import HubProcess

KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # the example of section 1.3
LINES = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", KEY)


def handshake(hub: HubProcess, *lines: str, first: str = "GET /v1/ws HTTP/1.1") -> bytes:
    host = f"Host: {urlsplit(hub.address).netloc}"
    return "\r\n".join((first, host, *lines, "", "")).encode("latin-1")


def answer(hub: HubProcess, request: bytes) -> bytes:
    """The head of the response."""
    with open_socket(hub) as connection:
        connection.sendall(request)
        head = b""
        while b"\r\n\r\n" not in head and (part := connection.recv(65_536)):
            head += part
        return head


def without(line: str, *more: str) -> tuple[str, ...]:
    return (*[kept for kept in LINES if not kept.startswith(line)], *more)


def test_the_answer_proves_that_the_key_was_read(hub: HubProcess) -> None:
    head = answer(hub, handshake(hub, *LINES))
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: " + ACCEPT in head
    assert b"sec-websocket-extensions" not in head.lower()


def test_a_connection_that_was_used_for_requests_becomes_a_socket(hub: HubProcess) -> None:
    """Head and answer of a request before it, and one in the same breath as the handshake."""
    bearer = f"Authorization: Bearer {hub.key}"
    request = handshake(hub, bearer, first="GET /v1/me HTTP/1.1")
    with open_socket(hub) as connection:
        connection.sendall(request)
        assert until(connection, b"user_admin").startswith(b"HTTP/1.1 200 ")
        connection.sendall(request + handshake(hub, bearer, *LINES))
        got = until(connection, b'"hello"')
        assert got.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 101 " in got
        connection.sendall(masked_frame(b'{"id":7,"type":"ping"}'))
        assert b'"id":7,"ok":true' in until(connection, b'"id":7,"ok":true')


def until(connection: socket.socket, end: bytes) -> bytes:
    """What comes, up to these bytes."""
    got = b""
    while end not in got:
        part = connection.recv(65_536)
        assert part, got
        got += part
    return got


@pytest.mark.parametrize(
    "lines",
    [
        without("Upgrade", "Upgrade: WebSocket"),
        without("Connection", "Connection: keep-alive, Upgrade"),
        without("Connection", "connection: upgrade"),
        (*LINES, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"),
        (*LINES, "Sec-WebSocket-Extensions: x-unknown; a=1, x-other"),
        (*LINES, "Sec-WebSocket-Protocol: chat, superchat"),
    ],
    ids=["case", "list", "lower", "deflate", "unknown", "others"],
)
def test_what_section_4_allows_is_let_in(hub: HubProcess, lines: tuple[str, ...]) -> None:
    head = answer(hub, handshake(hub, *lines))
    assert head.startswith(b"HTTP/1.1 101 "), head
    assert b"sec-websocket-protocol" not in head.lower()


@pytest.mark.parametrize(
    "lines",
    [
        without("Sec-WebSocket-Version"),
        without("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"),
        without("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8"),
        (*LINES, "Sec-WebSocket-Version: 8"),
    ],
    ids=["none", "8", "list", "two"],
)
def test_another_version_is_told_ours(hub: HubProcess, lines: tuple[str, ...]) -> None:
    head = exchange(hub, handshake(hub, *lines))
    assert head.startswith(b"HTTP/1.1 426 "), head
    assert b"Sec-WebSocket-Version: 13\r\n" in head


@pytest.mark.parametrize(
    ("status", "first", "lines"),
    [
        (400, "GET /v1/ws HTTP/1.1", without("Sec-WebSocket-Key")),
        (400, "GET /v1/ws HTTP/1.1", without("Sec-WebSocket-Key", "Sec-WebSocket-Key: c2hvcnQ=")),
        (400, "GET /v1/ws HTTP/1.1", without("Sec-WebSocket-Key", "Sec-WebSocket-Key: ?")),
        (400, "GET /v1/ws HTTP/1.1", (*LINES, KEY)),
        (400, "GET /v1/ws HTTP/1.0", LINES),
        (405, "POST /v1/ws HTTP/1.1", LINES),
        (400, "GET /v1/ws HTTP/1.1", (*LINES, "Content-Length: 5")),
        (400, "GET /v1/ws HTTP/1.1", (*LINES, "Transfer-Encoding: chunked")),
        (426, "GET /v1/ws HTTP/1.1", without("Upgrade")),
        (426, "GET /v1/ws HTTP/1.1", without("Upgrade", "Upgrade: h2c")),
        (426, "GET /v1/ws HTTP/1.1", without("Connection")),
        (404, "GET /v1/else HTTP/1.1", LINES),
        (400, "GET /v1/ws HTTP/1.1", (*LINES, "Sec-WebSocket-Protocol: caf\xe9")),
        (400, "GET /v1/ws HTTP/1.1", (*LINES, "Origin: http://a", "Origin: http://b")),
        (431, "GET /v1/ws HTTP/1.1", (*LINES, "Sec-WebSocket-Protocol: " + "x, " * 12_000 + "x")),
        (431, "GET /v1/ws HTTP/1.1", (*LINES, *["Sec-WebSocket-Protocol: x"] * 100)),
    ],
    ids=["no key", "short key", "bad key", "two keys", "1.0", "POST", "length", "chunked",
         "no upgrade", "h2c", "no connection", "path", "non-ASCII", "origins",
         "protocols", "lines"],
)  # fmt: skip
def test_what_is_no_handshake_is_refused(
    hub: HubProcess, status: int, first: str, lines: tuple[str, ...]
) -> None:
    head = answer(hub, handshake(hub, *lines, first=first))
    assert head.startswith(b"HTTP/1.1 %d " % status), head[:300]
    assert b"Traceback" not in head


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://hub.example/v1/me", 200),
        ("HTTPS://hub.example:8000/v1/me?", 200),
        ("http://hub.example/v1/me?x=1", 422),
        ("http://hub.example", 200),
        ("http://hub.example?x=1", 200),
        ("http:///v1/me", 200),
        ("ftp://hub.example/v1/me", 404),
    ],
)
def test_a_target_may_be_a_whole_url(hub: HubProcess, target: str, status: int) -> None:
    """RFC 9112, section 3.2.2."""
    lines = (f"Authorization: Bearer {hub.key}", "Connection: close")
    head = exchange(hub, handshake(hub, *lines, first=f"GET {target} HTTP/1.1"))
    assert head.startswith(b"HTTP/1.1 %d " % status), head[:200]


def test_a_plain_request_is_told_that_there_is_a_websocket(hub: HubProcess) -> None:
    request = handshake(hub, "Connection: close")
    head, _, body = exchange(hub, request).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 426 "), head
    assert b"upgrade: websocket" in head.lower()
    assert "UPGRADE_REQUIRED" == json.loads(body)["error"]["code"]


def test_ours_is_found_among_hundreds_of_subprotocols(hub: HubProcess) -> None:
    offered = ", ".join([*[f"p{n}" for n in range(900)], "roomhub.v1.json"])
    head = answer(hub, handshake(hub, *LINES, f"Sec-WebSocket-Protocol: {offered}"))
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Protocol: roomhub.v1.json\r\n" in head


def test_who_sends_before_the_answer_is_refused(hub: HubProcess) -> None:
    """Section 4.1: a client must wait; what it sent would be read as half a frame."""
    assert exchange(hub, handshake(hub, *LINES) + b"\x81\x80").startswith(b"HTTP/1.1 400 ")


def test_a_first_frame_and_a_close_in_one_write_are_a_close(hub: HubProcess) -> None:
    with open_raw(hub) as socket:
        wrong, end = socket.frame(b'{"type":"ping"}'), socket.frame(b"\x03\xe8", 0x8)
        socket.connection.sendall(socket.frame(b"", 0xA) + wrong + end)
        assert ([], 1000) == socket.texts_until_close()


@pytest.mark.parametrize(
    ("status", "code", "request_text"),
    [
        (431, "PAYLOAD_TOO_LARGE", "GET / HTTP/1.1\r\nHost: a\r\nX: " + "y" * 40_000 + "\r\n\r\n"),
        (431, "PAYLOAD_TOO_LARGE", "GET / HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 100 + "\r\n"),
        (431, "PAYLOAD_TOO_LARGE", "GET /" + "y" * 40_000 + " HTTP/1.1\r\nHost: a\r\n\r\n"),
        (400, "VALIDATION_ERROR", "GET / HTTP/1.1\r\n\r\n"),
        (400, "VALIDATION_ERROR", "hello\r\n\r\n"),
    ],
    ids=["long", "many", "target", "no host", "hello"],
)
def test_a_head_out_of_bounds_is_told_so_in_the_shape_of_every_error(
    hub: HubProcess, status: int, code: str, request_text: str
) -> None:
    head, _, body = exchange(hub, request_text.encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert code == json.loads(body)["error"]["code"]
