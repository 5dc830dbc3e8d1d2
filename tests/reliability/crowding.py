"""Crowds that do one thing at the same moment: wait for one event, stream and read nothing, come.
The program `hostile` runs them large; nobody else may have to wait for them."""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.reliability.attacks import Target, request_for, stream
from tests.reliability.peers import Peer, open_peers
from tests.support.hub import HubProcess

PATIENCE_S: Final = 60.0
COME_S: Final = 3.0  # for the last of them to be served
_COUNT: Final = re.compile(rb'"type":"presence".*?"count":(\d+)')


@dataclass(frozen=True, slots=True)
class Polled:
    """How the polls were answered, by status, how many bodies differed, when the last was read."""

    statuses: dict[bytes, int]
    bodies: int
    last_s: float


def poll_together(hub: HubProcess, target: Target, count: int) -> Polled:
    """So many wait for the next event of one room; then it comes."""
    path = f"/v1/rooms/{target.room_id}"
    with open_peers(target.address, count, 65_536) as peers, hub.client() as client:
        head = client.get(f"{path}/events").json()["data"]["head"]
        asked = request_for(target, f"{path}/events?since={head}&wait=60", "Connection: close")
        for peer in peers:
            peer.send(asked)
        time.sleep(COME_S)
        began = time.monotonic()
        client.post(f"{path}/messages", json={"content": "what all wait for"}).raise_for_status()
        answers = [peer.read(PATIENCE_S).partition(b"\r\n\r\n") for peer in peers]
    statuses = Counter(head.split()[1] if head else b"none" for head, _, _ in answers)
    bodies = {body for _, _, body in answers}
    return Polled(dict(statuses), len(bodies), time.monotonic() - began)


@contextlib.contextmanager
def open_streams(target: Target, count: int) -> Iterator[list[Peer]]:
    """So many streams of one room, none of which is read any further."""
    with open_peers(target.address, count) as peers:
        for peer in peers:
            stream(peer, target)
        for peer in peers:
            peer.read_until(b"subscribed", within_s=PATIENCE_S)
        yield peers


@dataclass(frozen=True, slots=True)
class Came:
    """What one of the crowd was told of it: presence events until it was complete."""

    events: int
    size: int
    asked_s: float
    complete_s: float


def come_together(target: Target, keys: Sequence[str]) -> Came:
    """Everybody subscribes to the room at once."""
    with open_peers(target.address, len(keys), 65_536) as peers:
        for peer, key in zip(peers, keys, strict=True):
            peer.upgrade(key)
        witness, began = peers[0], time.monotonic()
        for peer in peers:
            peer.follow(target.room_id)
        asked_s, heard = time.monotonic() - began, b""
        while time.monotonic() - began < PATIENCE_S:
            heard += witness.read_until(b'"presence"')
            told = [int(count) for count in _COUNT.findall(heard)]
            if told and told[-1] == len(keys):
                break
        return Came(len(told), len(heard), asked_s, time.monotonic() - began)
