"""`hub.gateway.volley`: everything to everybody, once and in order, however slowly it is read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import stat
import sys
from array import array
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import cast

import pytest
import uvloop

from hub.gateway import volley
from hub.gateway.crowd import Crowd, Target
from hub.gateway.volley import FEWEST, MOST, Kernel, Volley, aim_at, one_by_one, open_volley

from .fakes import Client, FakeTarget

NUMBERS = range(2 * FEWEST)
MANY = b"x" * 3_000


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    try:
        opened = Kernel()
    except OSError as error:
        pytest.skip(f"the system has no io_submit: {error}")
    with contextlib.closing(opened):
        yield opened


class Peer(asyncio.Protocol):
    """One end of a connection, as a `Target`."""

    straight: Peer

    def __init__(self) -> None:
        self.aim = 0
        self.lost = asyncio.get_running_loop().create_future()
        self.straight = self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.aim = aim_at(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whether what was its descriptor is still the socket's."""
        self.lost.set_result(stat.S_ISSOCK(os.fstat(self.aim >> 32).st_mode))

    @property
    def waiting(self) -> bool:
        return self.transport.get_write_buffer_size() > 0

    def write(self, frames: bytes) -> None:
        self.transport.write(frames)

    def let_go(self) -> None:
        self.transport.abort()


@contextlib.asynccontextmanager
async def pair(send_bytes: int) -> AsyncIterator[tuple[Peer, socket.socket]]:
    """A target, and the socket at which what it was sent is read."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
    theirs.setblocking(False)
    _, peer = await asyncio.get_running_loop().create_connection(Peer, sock=ours)
    with theirs:
        yield peer, theirs
        peer.transport.abort()


def read(reader: socket.socket, most: int = 1 << 20) -> bytes:
    """What has arrived, up to `most` bytes."""
    found = b""
    with contextlib.suppress(BlockingIOError):
        while len(found) < most:
            found += reader.recv(most - len(found))
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_everybody_has_everything_in_its_order(seed: int, kernel: Kernel) -> None:
    """Some read all the time, some little, some nothing until the end."""
    pick, sent = random.Random(seed), b""
    write = Volley(kernel).write
    async with contextlib.AsyncExitStack() as stack:
        pairs = [await stack.enter_async_context(pair(4_096)) for _ in NUMBERS]
        got = [b""] * len(pairs)
        for _ in range(60):
            said = pick.randbytes(pick.choice((1, 200, 5_000, 40_000)))
            sent += said
            behind = {peer for peer, _ in pairs if peer.waiting}
            crowd = crowd_of([peer for peer, _ in pairs])
            write(crowd, crowd.places(behind), said)
            for peer in behind:
                peer.write(said)
            for at, (_, reader) in enumerate(pairs):
                got[at] += read(reader, (0, 300, 1 << 20)[at % 3])
            await asyncio.sleep(0)
        assert any(peer.waiting for peer, _ in pairs)
        while min(map(len, got)) < len(sent):
            got = [g + read(reader) for g, (_, reader) in zip(got, pairs, strict=True)]
            await asyncio.sleep(0)
        assert {sent} == set(got)
        assert [b""] * len(pairs) == [read(reader) for _, reader in pairs]


def crowd_of(targets: Sequence[Target]) -> Crowd:
    """A crowd of clients who are written to straight."""
    clients = []
    for target in targets:
        client = Client()
        client.straight = target
        clients.append(client)
    return Crowd(clients, 0)


def recorded(count: int = len(NUMBERS)) -> tuple[list[list[bytes]], list[FakeTarget]]:
    """Targets, and what is written to each by its transport."""
    written: list[list[bytes]] = [[] for _ in range(count)]
    return written, [FakeTarget(each.append) for each in written]


@contextlib.contextmanager
def aimed(targets: Sequence[FakeTarget]) -> Iterator[list[socket.socket]]:
    """Every target is aimed at a socket of its own; the sockets at which that is read."""
    with contextlib.ExitStack() as stack:
        readers = []
        for target in targets:
            ours, theirs = map(stack.enter_context, socket.socketpair())
            ours.setblocking(False)
            theirs.setblocking(False)
            target.aim = volley._aim(ours.fileno())
            readers.append(theirs)
        yield readers


@contextlib.contextmanager
def nowhere() -> Iterator[int]:
    """An aim that takes everything."""
    number = os.open(os.devnull, os.O_WRONLY)
    try:
        yield volley._aim(number)
    finally:
        os.close(number)


async def test_whoever_is_left_out_is_not_written_to(kernel: Kernel) -> None:
    written, targets = recorded()
    with aimed(targets) as readers:
        crowd = crowd_of(targets)
        Volley(kernel).write(crowd, crowd.places({targets[1], targets[2], targets[-1]}), MANY)
        by_kernel = [at for at, reader in enumerate(readers) if read(reader) == MANY]
    assert [at for at in NUMBERS if at not in (1, 2, NUMBERS[-1])] == by_kernel
    assert not any(written)


def test_what_is_encrypted_is_written_by_its_transport() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        plain = asyncio.BaseTransport({"socket": ours})
        encrypted = asyncio.BaseTransport({"socket": ours, "sslcontext": object()})
        assert (True, 0) == (bool(aim_at(plain)), aim_at(encrypted))
    assert 0 == aim_at(asyncio.BaseTransport())


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("end", ["close", "abort", "reset", "end"])
def test_a_descriptor_is_given_back_when_its_owner_knows_that_it_is_lost(
    loop: Callable[[], asyncio.AbstractEventLoop], end: str
) -> None:
    """Not before: until then what is written to it reaches nobody else."""

    async def lose() -> bool:
        async with pair(4_096) as (peer, theirs):
            if end in ("close", "abort"):
                getattr(peer.transport, end)()
            elif end == "reset":
                peer.write(MANY * 10)
                theirs.close()
            else:
                theirs.close()
            return await asyncio.wait_for(peer.lost, 10)

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(lose())


async def test_a_descriptor_that_is_none_keeps_nothing_from_the_others(kernel: Kernel) -> None:
    written, targets = recorded()
    with aimed(targets) as readers:
        gone = os.dup(0)
        os.close(gone)
        targets[4].aim = volley._aim(gone)
        Volley(kernel).write(crowd_of(targets), (), MANY)
        got = [[read(reader), *each] for reader, each in zip(readers, written, strict=True)]
    assert {MANY} == {b"".join(each) for each in got}
    assert [MANY] == written[4]


async def test_more_than_the_kernel_takes_at_once_are_written_to_in_parts(kernel: Kernel) -> None:
    written, targets = recorded(MOST + FEWEST)
    with aimed(targets[:1] + targets[-1:]) as readers, nowhere() as aim:
        for target in targets[1:-1]:
            target.aim = aim
        Volley(kernel).write(crowd_of(targets), (), MANY)
        assert [MANY, MANY] == [*map(read, readers)]
    assert not any(written)


async def test_who_may_have_been_sent_anything_is_cut() -> None:
    class Silent(Kernel):
        def __init__(self) -> None:
            pass

        def write(self, aims: array[int], data: bytes) -> dict[int, int]:
            raise OSError("no answer")

    written, targets = recorded()
    with aimed(targets):
        crowd = crowd_of(targets)
        Volley(Silent()).write(crowd, crowd.places({targets[0]}), MANY)
    assert [False, *[True] * (len(targets) - 1)] == [each.gone for each in targets]
    assert not any(written)


async def test_a_few_are_written_to_one_by_one() -> None:
    written, targets = recorded(FEWEST)
    crowd = crowd_of(targets)
    Volley(None).write(crowd, crowd.places({targets[3]}), MANY)  # type: ignore[arg-type]
    assert [[MANY] if at != 3 else [] for at in range(FEWEST)] == written


@pytest.mark.parametrize("lacking", ["not there", "does nothing", "of 32 bits"])
def test_where_the_system_cannot_each_is_written_to_by_itself(
    lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacking == "not there":
        monkeypatch.setattr(volley, "_CALLS", {})
    elif lacking == "of 32 bits":
        monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    else:
        monkeypatch.setattr(Kernel, "write", lambda *_: {})
    with open_volley() as write:
        assert write is one_by_one


def test_where_the_system_can_it_is_made_use_of(kernel: Kernel) -> None:
    with open_volley() as write:
        assert write is not one_by_one
