"""permessage-deflate (RFC 7692) on a hub that was told to offer it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator

import pytest
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from tests.e2e.encodings import ENCODINGS, Encoding
from tests.e2e.people import Person, add_person, add_room
from tests.e2e.raw import PING, RawSocket, masked_frame, open_raw
from tests.support.hub import HubProcess, run_hub

OFFER = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
RSV1 = 4
TAIL = b"\x00\x00\xff\xff"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    with run_hub(tmp_path_factory.mktemp("deflate"), env={"HUB_WS_DEFLATE": "true"}) as started:
        yield started


@pytest.fixture(scope="module")
def caller(hub: HubProcess) -> Iterator[Person]:
    person = add_person(hub, "caller")
    with person.client:
        yield person


def bearer(person: Person) -> bytes:
    return f"Authorization: Bearer {person.key}".encode()


@pytest.fixture
def line(hub: HubProcess, caller: Person) -> Iterator[RawSocket]:
    """A socket that agreed on compression, past its hello."""
    with open_raw(hub, bearer(caller), OFFER) as socket:
        assert socket.receive() is not None
        yield socket


def deflate(data: bytes) -> bytes:
    maker = zlib.compressobj(wbits=-15)
    return (maker.compress(data) + maker.flush(zlib.Z_SYNC_FLUSH))[:-4]


def agreed(socket: RawSocket) -> str:
    """What the server answered to the offered extensions."""
    lines = socket.head.decode().split("\r\n")
    found = [line for line in lines if line.lower().startswith("sec-websocket-extensions:")]
    return found[0].split(":", 1)[1].strip() if found else ""


@pytest.mark.parametrize(
    ("offer", "answered"),
    [
        ("permessage-deflate", True),
        ("permessage-deflate; client_max_window_bits", True),
        ("permessage-deflate; server_max_window_bits=15", True),
        ("permessage-deflate; server_max_window_bits=12; client_no_context_takeover", True),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
        ("permessage-deflate; server_max_window_bits=10", False),
        ("permessage-deflate; server_max_window_bits=7", False),
        ("permessage-deflate; unknown=1", False),
        ("x-webkit-deflate-frame", False),
    ],
)
def test_what_is_agreed_on_lets_frames_be_shared(
    hub: HubProcess, caller: Person, offer: str, answered: bool
) -> None:
    with open_raw(hub, bearer(caller), f"Sec-WebSocket-Extensions: {offer}".encode()) as socket:
        assert 101 == socket.status
        parts = {part.strip() for part in agreed(socket).split(";")}
        wanted = {"server_no_context_takeover", "client_no_context_takeover",
                  "server_max_window_bits=12"}  # fmt: skip
        assert answered == (wanted <= parts), parts
        assert answered == ("permessage-deflate" in parts)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: encoding.name)
async def test_all_hear_the_same_events_however_they_take_them(
    hub: HubProcess, caller: Person, encoding: Encoding
) -> None:
    """A client with a context of its own would find the second message unreadable."""
    room_id = add_room(caller)
    contents = [f"{n} " + "the same words again and again, " * n for n in range(1, 30)]
    heard: list[list[str]] = []
    offers = (None, ClientPerMessageDeflateFactory(), ClientPerMessageDeflateFactory(
        server_max_window_bits=12, client_max_window_bits=15))  # fmt: skip
    for offer in offers:
        async with connect(
            hub.ws_address, additional_headers=caller.headers, proxy=None, compression=None,
            extensions=[offer] if offer else None, subprotocols=[encoding.protocol],
        ) as client:  # fmt: skip
            assert bool(offer) == bool(client.protocol.extensions)
            subscribe = {"id": 1, "type": "subscribe", "room_id": room_id, "since": 0}
            await client.send(encoding.dump(subscribe))
            if not heard:
                for content in contents:
                    post = {"type": "post", "room_id": room_id, "content": content}
                    await client.send(encoding.dump(post))
            got: list[str] = []
            while len(got) < len(contents):
                frame = encoding.load(await client.recv())
                if frame["type"] == "message.created":
                    got.append(frame["data"]["content"])
            heard.append(got)
    assert [[content.strip() for content in contents]] * 3 == [
        [content.strip() for content in got] for got in heard
    ]


def test_everybody_gets_the_same_compressed_bytes(hub: HubProcess, caller: Person) -> None:
    room_id = add_room(caller)
    subscribe = json.dumps({"id": 1, "type": "subscribe", "room_id": room_id}).encode()
    with open_raw(hub, bearer(caller), OFFER) as one, open_raw(hub, bearer(caller), OFFER) as two:
        for socket in (one, two):
            socket.send(subscribe)
            _until(socket, b'"reply"')
        post = {"type": "post", "room_id": room_id, "content": "squeeze me " * 100}
        caller.client.post(f"/v1/rooms/{room_id}/messages", json={"content": post["content"]})
        first, second = (_until(socket, b"message.created") for socket in (one, two))
    assert first == second
    assert len(first) < 700 < len(_inflated(first))


def _inflated(payload: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=-12).decompress(payload + TAIL)
    except zlib.error:
        return payload


def _until(socket: RawSocket, word: bytes) -> bytes:
    """The payload, as it came, of the first frame that says this."""
    while (found := socket.receive()) is not None:
        if word in _inflated(found[1]):
            return found[1]
    raise AssertionError("the hub has closed")


COMMAND = b'{"id":"a","type":"ping"}'


@pytest.mark.parametrize(
    "sent",
    [
        masked_frame(deflate(COMMAND), rsv=RSV1),
        masked_frame(COMMAND),
        masked_frame(deflate(COMMAND)[:9], rsv=RSV1, fin=False)
        + masked_frame(b"p", PING)
        + masked_frame(deflate(COMMAND)[9:], 0x0),
        masked_frame(deflate(COMMAND.ljust(65_536)), rsv=RSV1),
    ],
    ids=["compressed", "not compressed", "fragments", "64 KiB"],
)
def test_commands_are_taken_compressed_or_not(line: RawSocket, sent: bytes) -> None:
    line.connection.sendall(sent)
    assert b'"id":"a"' in _inflated(_until(line, b'"reply"'))


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (masked_frame(deflate(b" " * 65_537), rsv=RSV1), 1009),
        (masked_frame(deflate(b" " * 60_000_000), rsv=RSV1), 1009),
        (masked_frame(deflate(b" " * 40_000) + TAIL, rsv=RSV1, fin=False)
         + masked_frame(deflate(b" " * 40_000), 0x0), 1009),
        (masked_frame(b"\xff\xff\xff", rsv=RSV1), 1002),
        (masked_frame(b"", PING, rsv=RSV1), 1002),
        (masked_frame(b"x", rsv=2), 1002),
        (masked_frame(deflate(COMMAND)[:9], rsv=RSV1, fin=False)
         + masked_frame(deflate(COMMAND)[9:], 0x0, rsv=RSV1), 1002),
        (masked_frame(deflate(b"\xff\xfe"), rsv=RSV1), 1007),
    ],
    ids=["a byte more", "a bomb", "a bomb in fragments", "no deflate", "ping", "rsv2",
         "continuation", "no UTF-8"],
)  # fmt: skip
def test_what_is_wrong_or_too_large_when_unpacked_closes(
    line: RawSocket, sent: bytes, code: int
) -> None:
    line.connection.sendall(sent)
    assert ([], code) == line.texts_until_close()
