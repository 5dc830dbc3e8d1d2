"""Attacks on a hub, each of a size of one's choice: the program `hostile` runs them large, its test
small."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from tests.e2e.raw import PING, TEXT, masked_frame
from tests.reliability.peers import Peer, open_peers, seconds_until_closed

PATIENCE_S: Final = 30.0
IN_WORK: Final = 200
_NEVER: Final = b"\0" * 9
_OFFER: Final = "Sec-WebSocket-Extensions: permessage-deflate"


@dataclass(frozen=True, slots=True)
class Target:
    """The hub, a key of it, and a room with much to replay."""

    address: str
    key: str
    room_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the hub took, of how many connections, and how many it had closed how soon."""

    sent_mb: float
    connections: int
    closed: int
    last_s: float


Attack = Callable[[Target, float], Outcome]


def _outcome(peers: list[Peer], sent: int, within_s: float = PATIENCE_S) -> Outcome:
    took = seconds_until_closed(peers, within_s)
    closed = sum(s < within_s for s in took)
    return Outcome(sent / 1e6, len(peers), closed, max(took))


def _flood(target: Target, data: bytes, *, key: bool = False, count: int = 1) -> Outcome:
    """The same bytes on so many WebSockets that read nothing."""
    with open_peers(target.address, count) as peers:
        sent = 0
        for peer in peers:
            peer.upgrade(target.key if key else None)
            sent += peer.send(data, PATIENCE_S)
        return _outcome(peers, sent)


def pings(target: Target, mb: float) -> Outcome:
    """Pings of 125 bytes, before anybody knows who it is."""
    return _flood(target, masked_frame(b"x" * 125, PING) * int(mb * 1e6 / 131))


def one_byte_fragments(target: Target, mb: float) -> Outcome:
    return _fragments(target, b"x", mb)


def empty_fragments(target: Target, mb: float) -> Outcome:
    return _fragments(target, b"", mb)


def _fragments(target: Target, part: bytes, mb: float) -> Outcome:
    more = masked_frame(part, 0, fin=False)
    first = masked_frame(part, TEXT, fin=False)
    return _flood(target, first + more * int(mb * 1e6 / len(more)))


def commands(target: Target, mb: float) -> Outcome:
    """Commands of an authenticated client that never reads an answer."""
    return _flood(target, masked_frame(b'{"id":1,"type":"ping"}') * int(mb * 1e6 / 28), key=True)


def nonsense(target: Target, mb: float) -> Outcome:
    """Frames of 64 KiB that are no JSON, as fast as they are taken: each is answered."""
    with open_peers(target.address, 1) as peers:
        peers[0].upgrade(target.key)
        sent = peers[0].send(masked_frame(b"[" * 65_536) * int(mb * 1e6 / 65_544), PATIENCE_S)
        return Outcome(sent / 1e6, 0, 0, 0.0)


def bombs(target: Target, mb: float) -> Outcome:
    """Compressed frames that would be `mb` large; 1002 where compression was not agreed on."""
    maker = zlib.compressobj(9, wbits=-15)
    body = maker.compress(bytes(int(mb * 1e6))) + maker.flush(zlib.Z_SYNC_FLUSH)
    with open_peers(target.address, 20) as peers:
        sent = 0
        for peer in peers:
            peer.upgrade(target.key, _OFFER)
            sent += peer.send(masked_frame(body[:65_000], rsv=4))
            peer.connection.shutdown(socket.SHUT_WR)  # or the hub waits for it to read the Close
        return _outcome(peers, sent)


def half_handshakes(target: Target, count: float) -> Outcome:
    """A head that is never finished."""
    with open_peers(target.address, int(count)) as peers:
        sent = sum(peer.send(b"GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: web") for peer in peers)
        return _outcome(peers, sent)


def silence(target: Target, count: float) -> Outcome:
    """WebSockets that never say who they are."""
    with open_peers(target.address, int(count)) as peers:
        for peer in peers:
            peer.upgrade()
        return _outcome(peers, 0)


def half_bodies(target: Target, count: float) -> Outcome:
    """200 KiB of a body whose end never comes."""
    head = f"POST /v1/rooms HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {target.key}\r\n"
    data = f"{head}Content-Length: 204801\r\n\r\n".encode() + b" " * 204_800
    with open_peers(target.address, int(count)) as peers:
        sent = sum(peer.send(data) for peer in peers)
        return _outcome(peers, sent, 2 * PATIENCE_S)


def large_head(target: Target, mb: float) -> Outcome:
    """One header line without end."""
    with open_peers(target.address, 1) as peers:
        head = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * int(mb * 1e6)
        return _outcome(peers, peers[0].send(head))


def many_lines(target: Target, mb: float) -> Outcome:
    """Short header lines without end."""
    with open_peers(target.address, 1) as peers:
        head = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * int(mb * 1e6 / 6)
        return _outcome(peers, peers[0].send(head))


def replays(target: Target, count: float) -> Outcome:
    """A long log asked for again and again, and never read."""
    with open_peers(target.address, int(count)) as peers:
        for peer in peers:
            peer.upgrade(target.key)
            peer.follow(target.room_id, since=0)
        return _outcome(peers, 0, 2 * PATIENCE_S)


def streams(target: Target, count: float) -> Outcome:
    """The long log as server-sent events, never read."""
    with open_peers(target.address, int(count)) as peers:
        for peer in peers:
            stream(peer, target, since=0)
        return _outcome(peers, 0, 2 * PATIENCE_S)


def stream(peer: Peer, target: Target, since: int | None = None) -> None:
    """Follow the room as server-sent events, and read nothing of what comes."""
    path = f"/v1/rooms/{target.room_id}/stream" + ("" if since is None else f"?since={since}")
    peer.send(request_for(target, path))


def pipelined(target: Target, count: float) -> Outcome:
    """So many requests in one breath, and no answer read; then those of another are."""
    request = request_for(target, "/v1/me")
    with open_peers(target.address, 2) as peers:
        mute, reader = peers
        sent = mute.send(request * int(count), 1.0)
        reader.send(request * 99 + request_for(target, "/v1/me", "Connection: close"))
        answers = reader.read_until(_NEVER).count(b"HTTP/1.1 200 OK")
        assert answers == 100, f"{answers} answers to 100 requests"
        return Outcome(sent / 1e6, 0, 0, 0.0)


def strange_rooms(target: Target, count: float) -> Outcome:
    """Rooms that are not there, asked for one by one and in lists."""
    names = [f"room_{number:026}" for number in range(int(count))]
    ask = [{"id": 1, "type": "subscribe", "room_id": name} for name in names]
    lists = [names[start : start + 500] for start in range(0, len(names), 500)]
    ask += [{"type": "subscribe", "rooms": [{"room_id": n} for n in some]} for some in lists]
    return _asked(target, ask)


def churn(target: Target, count: float) -> Outcome:
    """Into the room and out of it again, as fast as it is taken."""
    come = {"id": 1, "type": "subscribe", "room_id": target.room_id}
    go = {"id": 2, "type": "unsubscribe", "room_id": target.room_id}
    return _asked(target, [come, go] * int(count))


def _asked(target: Target, commands: Sequence[Mapping[str, object]]) -> Outcome:
    """Commands of a client that reads its answers, as many at a time as it may have in work; all
    must have been answered in the end."""
    with open_peers(target.address, 1, 262_144) as peers:
        (peer,), sent = peers, 0
        peer.upgrade(target.key)
        for start in range(0, len(commands), IN_WORK):
            some = [*commands[start : start + IN_WORK], {"id": f"end{start}", "type": "ping"}]
            sent += peer.send(b"".join([masked_frame(orjson.dumps(each)) for each in some]))
            end = f'"id":"end{start}"'.encode()
            assert end in peer.read_until(end, within_s=PATIENCE_S), "the hub answers no more"
        return Outcome(sent / 1e6, 0, 0, 0.0)


def pages(target: Target, count: float) -> Outcome:
    """Pages of the log by HTTP, megabytes each, asked for and never read; or refused."""
    path = f"/v1/rooms/{target.room_id}/messages?limit=200"
    with open_peers(target.address, int(count)) as peers:
        sent = sum(peer.send(request_for(target, path, "Connection: close")) for peer in peers)
        return _outcome(peers, sent, 2 * PATIENCE_S)


def request_for(target: Target, path: str, *lines: str) -> bytes:
    """A GET with the target's key."""
    head = (
        f"GET {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {target.key}",
        *lines,
        "",
        "",
    )
    return "\r\n".join(head).encode()
