"""Waiting for a `Feed` to join the frames of a tick for each of its subscribers."""

from __future__ import annotations

import pytest

from hub.gateway.feed import Feed
from hub.wire.frames import PLAIN, Coding, frame
from hub.wire.packets import Packet

from .fakes import Client


@pytest.mark.parametrize("coding", [PLAIN, Coding(packed=True), Coding(deflated=True)])
def test_what_a_tick_brought_is_joined_once_for_all(coding: Coding) -> None:
    feed, clients = Feed("room_1"), [Client() for _ in range(3)]
    feed.start(0, "e1")
    for client in clients:
        client.coding = coding
        feed.expect(client)
        feed.enter(client)
    for seq in (1, 2):
        feed.take(Packet(seq, 1, frame(b'{"seq":%d}' % seq)))
    feed.flush()
    (first,), *others = [client.writes for client in clients]
    assert all(write is first for (write,) in others)
