"""A hub that is told to stop while clients follow it and others stall."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.reliability.attacks import Target, stream
from tests.reliability.peers import Peer, handshake, open_peers
from tests.support.hub import HubProcess

PER_KEY: Final = 500
OPENING: Final = 50
STALL_MESSAGES: Final = 30
ROOM_FOR_MORE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """`told` clients were closed with 1012 and a time, within `spread_s` of each other."""

    seconds: float
    status: int
    live: int
    stalled: int
    told: int
    retry_s: float
    spread_s: float

    def as_line(self) -> str:
        return (
            f"stopped after {self.seconds:.1f} s with {self.live} live and {self.stalled} stalled "
            f"clients (exit status {self.status}); {self.told} were told 1012 with "
            f"retry_s {self.retry_s:g}, over {self.spread_s:.1f} s"
        )


def stop_among(hub: HubProcess, live: int, stalled: int) -> Ended:
    """SIGTERM to a hub with so many clients that listen, and so many that read nothing: sockets,
    streams, and some who stopped in the middle of their handshake, or right after it."""
    with open_peers(hub.address, stalled) as peers, open_peers(hub.address, stalled) as streams:
        with open_peers(hub.address, stalled) as halves:
            _stall(hub, peers, streams)
            for number, half in enumerate(halves):
                half.send(handshake(hub.address)[: -1 - number % 3])  # the last bytes are missing
            with open_peers(hub.address, stalled) as mute:
                for peer in mute:
                    peer.send(handshake(hub.address))
                return asyncio.run(_stop(hub, live, stalled))


def _stall(hub: HubProcess, peers: list[Peer], streams: list[Peer]) -> None:
    """Nearly as much waits for each as may."""
    with hub.client() as client:
        made = client.post("/v1/rooms", json={"name": "Stalled"}).raise_for_status().json()
        room_id = str(made["data"]["id"])
        for peer in peers:
            peer.upgrade(hub.key)
            peer.follow(room_id)
        target = Target(hub.address, hub.key, room_id)
        for peer in streams:
            stream(peer, target)
            peer.read_until(b"subscribed")
        for _ in range(STALL_MESSAGES):
            body = {"content": "x" * 30_000}
            client.post(f"/v1/rooms/{room_id}/messages", json=body).raise_for_status()


async def _stop(hub: HubProcess, live: int, stalled: int) -> Ended:
    assert hub.process is not None
    keys = _keys(hub, -(-live // PER_KEY))
    gate = asyncio.Semaphore(OPENING)

    async def come(number: int) -> ClientConnection:
        async with gate:
            header = {"Authorization": f"Bearer {keys[number // PER_KEY]}"}
            client = await connect(
                hub.ws_address, additional_headers=header, proxy=None, compression=None,
                ping_interval=None, open_timeout=ROOM_FOR_MORE_S,
            )  # fmt: skip
            await client.recv()
            return client

    clients = await asyncio.gather(*(come(number) for number in range(live)))
    began = time.monotonic()
    hub.process.send_signal(signal.SIGTERM)
    ends = asyncio.gather(*(_end_of(client) for client in clients))
    status = await asyncio.to_thread(hub.process.wait, ROOM_FOR_MORE_S)
    seconds = time.monotonic() - began
    found = await ends
    reasons = Counter(reason for code, reason, _ in found if code == 1012 and "retry_s" in reason)
    times = [at for _, _, at in found]
    retry_s = json.loads(next(iter(reasons)))["retry_s"] if reasons else 0
    return Ended(seconds, status, live, stalled, reasons.total(), retry_s, max(times) - min(times))


async def _end_of(client: ClientConnection) -> tuple[int, str, float]:
    """Code and reason of its Close, and when it came."""
    try:
        while True:
            await client.recv()
    except ConnectionClosed as closed:
        code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")
        return code, reason, time.monotonic()


def _keys(hub: HubProcess, count: int) -> list[str]:
    with hub.client() as client:
        made = [client.post("/v1/api-keys", json={"name": "live"}) for _ in range(count)]
        return [str(each.raise_for_status().json()["data"]["key"]) for each in made]
