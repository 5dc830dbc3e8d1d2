"""`hub.gateway.volley`: everything to everybody, once and in order, however slowly it is read."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest

from hub.gateway import volley
from hub.gateway.volley import FEWEST, MOST, Kernel, Volley, aim_at, one_by_one, open_volley

from .fakes import FakeTarget

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

    def __init__(self) -> None:
        self.aim = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.aim = aim_at(transport)


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
            write([peer for peer, _ in pairs], said)
            for at, (_, reader) in enumerate(pairs):
                got[at] += read(reader, (0, 300, 1 << 20)[at % 3])
            await asyncio.sleep(0)
        assert any(peer.transport.get_write_buffer_size() for peer, _ in pairs)
        while min(map(len, got)) < len(sent):
            got = [g + read(reader) for g, (_, reader) in zip(got, pairs, strict=True)]
            await asyncio.sleep(0)
        assert {sent} == set(got)
        assert [b""] * len(pairs) == [read(reader) for _, reader in pairs]


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


async def test_whoever_has_something_waiting_or_no_aim_is_written_to_by_the_transport(
    kernel: Kernel,
) -> None:
    written, targets = recorded()
    with aimed(targets) as readers:
        targets[1].waiting = 1
        targets[2].aim = b""
        Volley(kernel).write(targets, MANY)
        by_transport = [at for at, each in enumerate(written) if each]
        by_kernel = [at for at, reader in enumerate(readers) if read(reader) == MANY]
    assert [1, 2] == by_transport
    assert [at for at in NUMBERS if at not in (1, 2)] == by_kernel


def test_what_is_encrypted_is_written_by_its_transport() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        plain = asyncio.BaseTransport({"socket": ours})
        encrypted = asyncio.BaseTransport({"socket": ours, "sslcontext": object()})
        assert (True, b"") == (bool(aim_at(plain)), aim_at(encrypted))
    assert b"" == aim_at(asyncio.BaseTransport())


async def test_the_descriptor_of_who_has_left_may_be_another_ones_by_now(kernel: Kernel) -> None:
    _, targets = recorded()
    with aimed(targets) as readers:
        targets[3].abort()
        Volley(kernel).write(targets, MANY)
        assert [at for at in NUMBERS if at != 3] == [
            at for at, reader in enumerate(readers) if read(reader)
        ]


async def test_a_descriptor_that_is_none_keeps_nothing_from_the_others(kernel: Kernel) -> None:
    written, targets = recorded()
    with aimed(targets) as readers:
        gone = os.dup(0)
        os.close(gone)
        targets[4].aim = volley._aim(gone)
        Volley(kernel).write(targets, MANY)
        got = [[read(reader), *each] for reader, each in zip(readers, written, strict=True)]
    assert {MANY} == {b"".join(each) for each in got}
    assert [MANY] == written[4]


async def test_more_than_the_kernel_takes_at_once_are_written_to_in_parts(kernel: Kernel) -> None:
    written, targets = recorded(MOST + FEWEST)
    with aimed(targets[:1] + targets[-1:]) as readers:
        Volley(kernel).write(targets, MANY)
        assert [MANY, MANY] == [*map(read, readers)]
    assert [[MANY]] * (len(targets) - 2) == written[1:-1]


async def test_who_may_have_been_sent_anything_is_cut() -> None:
    class Silent(Kernel):
        def __init__(self) -> None:
            pass

        def write(self, aims: Sequence[bytes], data: bytes) -> dict[bytes, int]:
            raise OSError("no answer")

    written, targets = recorded()
    with aimed(targets):
        targets[0].aim = b""
        Volley(Silent()).write(targets, MANY)
    assert [False, *[True] * (len(targets) - 1)] == [each.aborted for each in targets]
    assert [[MANY], *[[]] * (len(targets) - 1)] == written


async def test_a_few_are_written_to_one_by_one() -> None:
    written, targets = recorded(FEWEST - 1)
    Volley(None).write(targets, MANY)  # type: ignore[arg-type]
    assert [[MANY]] * len(targets) == written


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
