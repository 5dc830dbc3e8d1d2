"""`hub.gateway.pressure`: what waits in the process, and who is let go for it."""

from __future__ import annotations

from dataclasses import dataclass

from hub.gateway.pressure import Pressure


@dataclass(eq=False)
class Peer:
    pending_bytes: int = 0
    gone: bool = False

    def let_go(self) -> None:
        self.gone = True


def test_what_waits_is_summed_up_as_it_changes() -> None:
    pressure, one, two = Pressure(1_000), Peer(), Peer()
    pressure.note(one, 300)
    pressure.note(two, 200)
    pressure.note(one, 400)
    assert 600 == pressure.total
    pressure.note(one, 0)
    pressure.note(one, 0)
    assert 200 == pressure.total


def test_those_with_most_are_let_go_until_it_fits() -> None:
    peers = [Peer(size) for size in (100, 400, 300, 250)]
    pressure = Pressure(400)
    for peer in peers:
        pressure.note(peer, peer.pending_bytes)
    assert [False, True, True, False] == [peer.gone for peer in peers]
    assert 350 == pressure.total


def test_of_thousands_not_all_are_weighed_with_each_write() -> None:
    weighed = 0

    class Counted(Peer):
        size = 100

        @property
        def pending_bytes(self) -> int:
            nonlocal weighed
            weighed += 1
            return self.size

        @pending_bytes.setter
        def pending_bytes(self, value: int) -> None:
            pass

    pressure, peers = Pressure(100_000), [Counted() for _ in range(1_000)]
    for peer in peers:
        pressure.note(peer, 100)
    assert (0, 100_000) == (weighed, pressure.total)
    for peer in peers:
        peer.size = 200
        if not peer.gone:
            pressure.note(peer, 200)
    assert weighed < 20 * len(peers)
    assert pressure.total <= 100_000


def test_who_has_read_meanwhile_is_not_blamed() -> None:
    pressure, reader, staller = Pressure(1_000), Peer(900), Peer(200)
    pressure.note(reader, 900)
    reader.pending_bytes = 10
    pressure.note(staller, 200)
    assert (False, False, 210) == (reader.gone, staller.gone, pressure.total)


def test_one_that_is_let_go_counts_no_more() -> None:
    pressure, peer = Pressure(100), Peer(500)
    pressure.note(peer, 500)
    assert (True, 0) == (peer.gone, pressure.total)
    pressure.note(peer, 0)
    assert 0 == pressure.total
