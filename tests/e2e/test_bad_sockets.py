"""Sockets that come in wrong, or send what is no frame: closed with the code that says why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.people import Person, add_room, head_of
from tests.e2e.raw import BINARY, CLOSE, PING, RawSocket, exchange, open_raw
from tests.support.hub import HubProcess

GREETING_S = 5.0
FRAME_BYTES = 65_536


def bearer(person: Person) -> bytes:
    return f"Authorization: Bearer {person.key}".encode()


def auth(token: str) -> bytes:
    return json.dumps({"type": "auth", "token": token}).encode()


def ticket_of(person: Person) -> str:
    made = person.client.post("/v1/tickets", json={"purpose": "ws"}).raise_for_status().json()
    return str(made["data"]["ticket"])


def greeted(socket: RawSocket) -> Any:
    """The hello that says who we are."""
    found = socket.receive()
    assert found is not None
    hello = json.loads(found[1])
    assert "hello" == hello["type"], hello
    return hello


@pytest.fixture
def line(hub: HubProcess, person: Person) -> Iterator[RawSocket]:
    """A socket of `person` past its hello."""
    with open_raw(hub, bearer(person)) as socket:
        greeted(socket)
        yield socket


# Before anybody knows who it is.


@pytest.mark.parametrize(
    "first",
    [
        b'{"id":1,"type":"ping"}',
        b'{"id":1,"type":"subscribe","room_id":"room_x"}',
        b'{"type":"auth"}',
        b'{"type":"auth","token":null}',
        b'{"type":"auth","token":""}',
        b'{"type":"auth","token":"rhk_a_b"}',
        b'{"type":"auth","token":"rht_nope"}',
        b'{"type":"auth","token":"\\u0000"}',
        b'{"type":"auth","token":"x","admin":true}',
        b'{"type":"auth","token":"x"',
        b"[]",
        b"",
        b"hello",
        b'{"type":"auth","token":"' + b"x" * 8_192 + b'"}',
        b" " * 8_193,
    ],
    ids=lambda first: first[:40].decode() or "empty",
)
def test_anything_but_a_good_auth_first_closes_with_4401(hub: HubProcess, first: bytes) -> None:
    with open_raw(hub) as socket:
        assert 101 == socket.status
        socket.send(first)
        assert ([], 4401) == socket.texts_until_close()


def test_a_binary_first_frame_is_not_let_in_without_a_good_token(hub: HubProcess) -> None:
    with open_raw(hub) as socket:
        socket.send(auth("rhk_a_b"), BINARY)
        assert ([], 4401) == socket.texts_until_close()


@pytest.mark.slow
@pytest.mark.parametrize("pinging", [False, True], ids=["silent", "pinging"])
def test_a_client_that_never_says_who_it_is_is_closed_after_5_s(
    hub: HubProcess, pinging: bool
) -> None:
    began = time.monotonic()
    with open_raw(hub) as socket:
        if pinging:
            socket.send(b"still here", PING)
        assert ([], 4401) == socket.texts_until_close()
    assert time.monotonic() - began >= GREETING_S - 0.1


def test_a_first_frame_over_64_kib_closes(hub: HubProcess) -> None:
    with open_raw(hub) as socket:
        socket.send(auth("x" * FRAME_BYTES))
        texts, code = socket.texts_until_close()
        assert ([], True) == (texts, code in (1009, 4401))


@pytest.mark.parametrize(
    "header",
    [b"Bearer rhk_a_b", b"Bearer", b"Basic abc", b"", b"Bearer \xff\xfe"],
)
def test_a_bad_authorization_closes_with_4401(hub: HubProcess, header: bytes) -> None:
    with open_raw(hub, b"Authorization: " + header) as socket:
        assert ([], 4401) == socket.texts_until_close()


def test_a_good_first_frame_is_answered_with_hello(hub: HubProcess, person: Person) -> None:
    for token in (person.key, ticket_of(person)):
        with open_raw(hub) as socket:
            socket.send(auth(token))
            participant = greeted(socket)["participant"]
            assert person.id == participant["id"]


@pytest.mark.parametrize("way", ["query", "frame"])
def test_a_ticket_works_once(hub: HubProcess, person: Person, way: str) -> None:
    ticket = ticket_of(person)
    for again in (False, True):
        with open_raw(hub, query=f"?ticket={ticket}" if way == "query" else "") as socket:
            if way == "frame":
                socket.send(auth(ticket))
            if again:
                assert ([], 4401) == socket.texts_until_close()
            else:
                greeted(socket)


@pytest.mark.parametrize("query", ["?ticket=rht_nope", "?ticket=%00", "?ticket=%ff"])
def test_a_bad_ticket_closes_with_4401(hub: HubProcess, query: str) -> None:
    with open_raw(hub, query=query) as socket:
        assert ([], 4401) == socket.texts_until_close()


def test_a_key_is_not_taken_from_the_address(hub: HubProcess, person: Person) -> None:
    with open_raw(hub, query=f"?ticket={person.key}") as socket:
        assert ([], 4401) == socket.texts_until_close()


def test_a_login_ticket_opens_no_socket(hub: HubProcess, person: Person) -> None:
    made = person.client.post("/v1/tickets", json={"purpose": "login"}).json()["data"]
    with open_raw(hub, query=f"?ticket={made['ticket']}") as socket:
        assert ([], 4401) == socket.texts_until_close()


# Origins.


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://HOST.evil.example",
        "http://evil-HOST",
        "http://evil.example/HOST",
        "http://evil.example?HOST",
        "http://evil.example@HOST",
        "ftp://HOST",
        "HOST",
        "http://localhost",
        "",
        "http://HOST http://evil.example",
    ],
)
def test_a_foreign_origin_closes_with_4403(hub: HubProcess, person: Person, origin: str) -> None:
    value = origin.replace("HOST", urlsplit(hub.address).netloc).encode()
    with open_raw(hub, bearer(person), b"Origin: " + value) as socket:
        assert ([], 4403) == socket.texts_until_close()


def test_the_hubs_own_origin_may_connect(hub: HubProcess, person: Person) -> None:
    with open_raw(hub, bearer(person), b"Origin: " + hub.address.encode()) as socket:
        greeted(socket)


def test_a_foreign_origin_does_not_use_up_the_ticket(hub: HubProcess, person: Person) -> None:
    query = f"?ticket={ticket_of(person)}"
    with open_raw(hub, b"Origin: https://evil.example", query=query) as socket:
        assert ([], 4403) == socket.texts_until_close()
    with open_raw(hub, query=query) as socket:
        greeted(socket)


# Frames that are none.


def test_a_frame_over_64_kib_closes_with_1009_and_one_of_64_kib_does_not(
    line: RawSocket,
) -> None:
    ping = b'{"id":1,"type":"ping"}'
    line.send(ping.ljust(FRAME_BYTES))
    assert {"type": "reply", "id": 1, "ok": True, "data": {}} == _next(line)
    line.send(ping.ljust(FRAME_BYTES + 1))
    assert ([], 1009) == line.texts_until_close()


def test_fragments_over_64_kib_together_close_with_1009(line: RawSocket) -> None:
    line.send(b" " * 40_000, fin=False)
    line.send(b" " * 40_000, 0x0)
    assert ([], 1009) == line.texts_until_close()


def test_more_than_1024_fragments_close_with_1009(line: RawSocket) -> None:
    line.send(b"{", fin=False)
    for _ in range(1_100):
        line.send(b"", 0x0, fin=False)
    assert ([], 1009) == line.texts_until_close()


def test_a_command_in_fragments_is_one_command(line: RawSocket) -> None:
    line.send(b'{"id":1,', fin=False)
    line.send(b'"type":', 0x0, fin=False)
    line.send(b'"ping"}', 0x0)
    assert {"type": "reply", "id": 1, "ok": True, "data": {}} == _next(line)


@pytest.mark.parametrize(
    "payload",
    [b"\xff", b'{"id":"\xc0\xaf"}', b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"],
)
def test_a_text_frame_that_is_not_utf8_closes_with_1007(line: RawSocket, payload: bytes) -> None:
    line.send(payload)
    assert ([], 1007) == line.texts_until_close()


def test_text_that_is_cut_between_fragments_is_whole_again(line: RawSocket) -> None:
    data = '{"id":"€","type":"ping"}'.encode()
    line.send(data[:8], fin=False)
    line.send(data[8:], 0x0)
    assert "€" == _next(line)["id"]


@pytest.mark.parametrize(
    ("payload", "opcode", "fin"),
    [
        (b"x", 0x3, True),
        (b"x", 0xB, True),
        (b"x", 0x0, True),
        (b"x" * 126, PING, True),
        (b"x", PING, False),
        (b"\x00", CLOSE, True),
        ((1005).to_bytes(2, "big"), CLOSE, True),
        ((999).to_bytes(2, "big"), CLOSE, True),
    ],
)
def test_a_frame_against_the_protocol_closes_with_1002(
    line: RawSocket, payload: bytes, opcode: int, fin: bool
) -> None:
    line.send(payload, opcode, fin=fin)
    assert ([], 1002) == line.texts_until_close()


def test_a_bad_frame_after_a_post_does_not_undo_the_post(
    hub: HubProcess, person: Person, line: RawSocket
) -> None:
    room_id = add_room(person)
    head = head_of(person, room_id)
    post = {"id": 1, "type": "post", "room_id": room_id, "content": "x"}
    line.send(json.dumps(post).encode())
    assert head + 1 == _next(line)["data"]["seq"]
    line.send(b"\xff")
    assert ([], 1007) == line.texts_until_close()
    assert head + 1 == head_of(person, room_id)


def _next(line: RawSocket) -> Any:
    """The next reply; what a participant is told of its rooms may come between."""
    while (found := line.receive()) is not None:
        frame = json.loads(found[1])
        if frame["type"] == "reply":
            return frame
    raise AssertionError("the hub has closed")


# Requests that are none.


@pytest.mark.parametrize(
    "request_text",
    [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /v1/rooms HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "POST /v1/rooms HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST /v1/rooms HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n" + "X: y\r\n" * 200_000 + "\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: " + "y" * 1_000_000 + "\r\n\r\n",
    ],
    ids=["no host", "two hosts", "nul", "length", "lengths", "chunk", "many", "long"],
)
def test_a_request_that_is_none_is_answered_4xx_and_cut(
    hub: HubProcess, person: Person, request_text: str
) -> None:
    answer = exchange(hub, request_text.encode())
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert b"Traceback" not in answer
    assert 200 == person.client.get("/v1/me").status_code


@pytest.mark.parametrize(
    "header",
    ["Sec-WebSocket-Version: 12", "Sec-WebSocket-Key: short", "Sec-WebSocket-Protocol: "],
)
def test_a_handshake_that_is_none_is_refused(hub: HubProcess, header: str) -> None:
    request = (
        f"GET /v1/ws HTTP/1.1\r\nHost: {urlsplit(hub.address).netloc}\r\n"
        f"Upgrade: websocket\r\nConnection: Upgrade, close\r\n{header}\r\n\r\n"
    )
    answer = exchange(hub, request.encode())
    assert answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert b"Traceback" not in answer


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://]", "http://[x]"])
def test_an_origin_that_is_no_url_closes_with_4403(
    hub: HubProcess, person: Person, origin: str
) -> None:
    headers = f"Authorization: Bearer {person.key}", f"Origin: {origin}"
    with open_raw(hub, *(header.encode() for header in headers)) as socket:
        assert ([], 4403) == socket.texts_until_close()


def test_a_handshake_that_cannot_be_parsed_is_answered_and_cut(hub: HubProcess) -> None:
    request = (
        b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"X-Odd: \x00\r\n\r\n"
    )
    began = time.monotonic()
    assert exchange(hub, request).startswith(b"HTTP/1.1 4")
    assert time.monotonic() - began < 10


def test_commands_may_follow_the_first_frame_without_waiting_for_hello(
    hub: HubProcess, person: Person
) -> None:
    auth = json.dumps({"type": "auth", "token": person.key}).encode()
    with open_raw(hub) as socket:
        frames = socket.frame(auth) + socket.frame(b'{"id":1,"type":"ping"}')
        socket.connection.sendall(frames)
        kinds = [json.loads(found[1])["type"] for found in (socket.receive(), socket.receive())
                 if found is not None and found[0] == 1]  # fmt: skip
    assert ["hello", "reply"] == kinds
