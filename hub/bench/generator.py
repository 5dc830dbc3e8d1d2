"""The load generator: one process, one epoll loop, sockets without anything in between.

It knows no protocol beyond the WebSocket handshake: it sends what it was told to send, counts
marks, and takes the age of the first and the last mark of every read. Reads a `Load` from standard
input and writes a `Counted` to standard output.
"""

from __future__ import annotations

import gc
import resource
import select
import socket
import sys
import time
from pathlib import Path
from typing import Final

from hub.bench.client import ASKED, CONNECTING, GONE, OPEN, Client
from hub.bench.cpu import cpu_s, memory_bytes
from hub.bench.frames import pong_for
from hub.bench.load import Counted, Load
from hub.bench.marks import DIGITS, Ages, Scanner
from hub.bench.sending import greeting, message, request

READ_BYTES: Final = 262_144
OPENING: Final = 200
CONNECT_S: Final = 60.0
READY_S: Final = 120.0
DRAIN_S: Final = 30.0
_WHY_CHARS: Final = 300
_PING_BYTE: Final = 0x89


class Generator:
    """Puts one load on a server."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self._acked, self._refused = load.acked.encode(), load.refused.encode()
        self._ready = load.ready.encode()
        self._scanner = Scanner(READ_BYTES, (self._acked, self._refused, self._ready))
        self._epoll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._order: list[Client] = []
        self._opening = self._opened = self._failed = self._lost = self._are_ready = 0
        self._measuring = self._publishing = self._stopped = False
        self._delivered = self._acks = self._refusals = 0
        self._elapsed_s, self._in_time, self._busy, self._cpu_s = 1.0, 0, 0.0, 0.0
        self._opening_cpu_s, self._grown_bytes = 0.0, 0
        self._ages = Ages()
        self._why = ""

    def run(self) -> Counted:
        """Connect, get ready, measure, wait for what is under way."""
        pids, began = self.load.pids, time.monotonic()
        cost, memory = cpu_s(pids), memory_bytes(pids)
        self._connect(began + CONNECT_S)
        connected = time.monotonic()
        self._get_ready(connected + READY_S)
        ready = time.monotonic()
        self._opening_cpu_s = cpu_s(pids) - cost
        self._wait(self.load.settle_s)
        self._grown_bytes = memory_bytes(pids) - memory
        if self._failed or self._lost or self._are_ready < len(self._order):
            self._explain(f"{self._are_ready} of {len(self._order)} connections got ready")
            return self._counted(connected - began, ready - connected)
        busy, cost, start = time.process_time(), cpu_s(pids), time.monotonic()
        self._measuring = True
        self._publish_for(start)
        self._elapsed_s, self._in_time = time.monotonic() - start, self._delivered
        self._busy = (time.process_time() - busy) / self._elapsed_s
        self._cpu_s = cpu_s(pids) - cost
        self._drain()
        return self._counted(connected - began, ready - connected)

    # Connecting.

    def _connect(self, deadline: float) -> None:
        load = self.load
        for index in range(load.rooms * load.members):
            self._open(index)
            while self._opening >= OPENING and time.monotonic() < deadline:
                self._pump(0.05)
        while self._opening and time.monotonic() < deadline:
            self._pump(0.05)

    def _open(self, index: int) -> None:
        load = self.load
        leads, keeps = load.leads(index), index in load.keep
        client = Client(index, self._scanner.blank, leads=leads, keeps=keeps)
        self._clients[client.socket.fileno()] = client
        self._order.append(client)
        if index % load.members == load.filled_by:
            client.fills = self._order[index - load.filled_by]
        self._opening += 1
        client.socket.connect_ex(load.address(index))
        self._epoll.register(client.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _connected(self, client: Client) -> None:
        """The TCP connection stands: ask for a WebSocket."""
        self._epoll.modify(client.socket.fileno(), select.EPOLLIN)
        client.state = ASKED
        if self.load.wire == "raw":
            self._opened_one(client)
        else:
            self._send(client, request(self.load, client.index))

    def _answered(self, client: Client) -> None:
        """Some of the answer to the handshake is here; `tail` gathers it."""
        try:
            data = client.socket.recv(READ_BYTES)
        except OSError as error:
            data = b""
            self._explain(str(error))
        client.tail += data
        head, end, rest = bytes(client.tail[self._scanner.carry :]).partition(b"\r\n\r\n")
        if not data or (end and not head.startswith(b"HTTP/1.1 101")):
            self._explain(head.decode(errors="replace"))
            self._close(client)
        elif end:
            client.tail = self._scanner.blank
            self._opened_one(client)
            if rest:  # the first words came with the handshake
                self._scanner.space[: len(rest)] = rest
                self._take(client, len(rest))

    def _opened_one(self, client: Client) -> None:
        client.state = OPEN
        self._opening -= 1
        self._opened += 1
        client.parts = message(self.load, client.index)
        if not self._ready:
            self._is_ready(client)
        if self.load.pre:
            self._send(client, greeting(self.load, client.index))

    def _get_ready(self, deadline: float) -> None:
        while self._are_ready < self._opened and time.monotonic() < deadline:
            if self._lost or self._stopped:
                return
            self._pump(0.05)

    # Publishing.

    def _publish_for(self, start: float) -> None:
        self._publishing = True
        if self.load.rate:
            self._publish_at_rate(start)
        else:
            for client in self._order[:: self.load.members]:
                self._refill(client)
            while not self._stopped and (left := start + self.load.secs - time.monotonic()) > 0:
                self._pump(min(left, 0.05))
        self._publishing = False

    def _publish_at_rate(self, start: float) -> None:
        """Rooms take turns; a stamp says when the message was due, so that a generator that is
        late shows."""
        leaders = self._order[:: self.load.members]
        step_ns, due_ns = int(1e9 / (self.load.rate * len(leaders))), int(start * 1e9)
        stop_ns, turn = due_ns + int(self.load.secs * 1e9), 0
        while not self._stopped and (now := time.monotonic_ns()) < stop_ns:
            while due_ns <= now:
                self._publish(leaders[turn % len(leaders)], 1, due_ns)
                turn, due_ns = turn + 1, due_ns + step_ns
            self._pump(min(0.05, max(0.0, (due_ns - time.monotonic_ns()) / 1e9)))

    def _refill(self, client: Client) -> None:
        free = self.load.window - client.inflight
        if free > 0:
            self._publish(client, free, time.monotonic_ns())

    def _publish(self, client: Client, count: int, stamp_ns: int) -> None:
        before, after = client.parts
        client.inflight += count
        client.sent += count
        self._send(client, b"%s%0*d%s" % (before, DIGITS, stamp_ns, after) * count)

    def _send(self, client: Client, data: bytes) -> None:
        if client.out:
            client.out += data
            return
        try:
            sent = client.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the read will say so
        if sent < len(data):
            client.out = data[sent:]
            self._epoll.modify(client.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _drain(self) -> None:
        """Until all that was sent has come, or nothing comes any more."""
        wanted = sum(client.sent for client in self._order) * self.load.members
        deadline = time.monotonic() + DRAIN_S
        seen, quiet_at = -1, 0.0
        while self._delivered < wanted or (self._acked and self._acks * self.load.members < wanted):
            now, here = time.monotonic(), self._delivered + self._acks
            if here != seen:
                seen, quiet_at = here, now + self.load.quiet_s
            if now > min(quiet_at, deadline) or self._stopped:
                return
            self._pump(0.05)

    # Reading.

    def _wait(self, secs: float) -> None:
        until = time.monotonic() + secs
        while (left := until - time.monotonic()) > 0:
            self._pump(min(left, 0.05))

    def _pump(self, wait_s: float) -> None:
        for fd, event in self._epoll.poll(wait_s, 1024):
            client = self._clients[fd]
            if event & select.EPOLLOUT:
                self._writable(client)
            if event & ~select.EPOLLOUT:
                if client.state == OPEN:
                    self._read(client)
                elif client.state == ASKED:
                    self._answered(client)
                elif client.state == CONNECTING:
                    self._explain("the connection was refused")
                    self._close(client)

    def _writable(self, client: Client) -> None:
        if client.state == CONNECTING:
            if error := client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._explain(f"connect: error {error}")
                self._close(client)
            else:
                self._connected(client)
            return
        self._epoll.modify(client.socket.fileno(), select.EPOLLIN)
        data, client.out = client.out, b""
        self._send(client, data)

    def _read(self, client: Client) -> None:
        scanner = self._scanner
        try:
            size = client.socket.recv_into(scanner.space)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if size:
            self._take(client, size)
        else:
            self._close(client)

    def _take(self, client: Client, size: int) -> None:
        """So many bytes of a connection are in the scanner's space."""
        scanner = self._scanner
        found, client.tail = scanner.scan(client.tail, size)
        if found and self._measuring:
            client.got += found
            self._delivered += found
            self._age(found, size)
        if scanner.buffer.find(_PING_BYTE, 0, scanner.carry + size) >= 0:
            self._pong(client, scanner.carry + size)
        if client.attended:
            self._attend(client, found, size)

    def _age(self, found: int, size: int) -> None:
        """The first mark of a read stands for half of its marks, the last for the rest."""
        now = time.monotonic_ns()
        if stamp := self._scanner.first(size):
            self._ages.add(now - stamp, (found + 1) // 2)
        if found > 1 and (stamp := self._scanner.last(size)):
            self._ages.add(now - stamp, found // 2)

    def _pong(self, client: Client, end: int) -> None:
        if pong := pong_for(self._scanner.buffer, end):
            self._send(client, pong)

    def _attend(self, client: Client, found: int, size: int) -> None:
        """What few connections need: to be kept, to get ready, to make room for new messages."""
        if client.kept is not None:
            client.kept.append(bytes(self._scanner.space[:size]))
        if not client.ready:
            self._look_whether_ready(client, size)
        if not self._measuring:
            return
        if client.leads:
            self._look_for_answers(size)
        if client.fills is not None:
            self._make_room(client.fills, found)

    def _look_whether_ready(self, client: Client, size: int) -> None:
        """Who is refused will not get ready."""
        if self._scanner.count(self._ready, size):
            self._is_ready(client)
        else:
            self._look_for_refusals(size)

    def _is_ready(self, client: Client) -> None:
        client.ready = True
        client.attended = client.leads or client.fills is not None or client.kept is not None
        self._are_ready += 1

    def _look_for_answers(self, size: int) -> None:
        if self._acked:
            self._acks += self._scanner.count(self._acked, size)
        self._look_for_refusals(size)

    def _make_room(self, client: Client, found: int) -> None:
        """Messages of a publisher have come, and new ones take their places."""
        client.inflight -= found
        if self._publishing and not self.load.rate and not self._stopped:
            self._refill(client)

    def _look_for_refusals(self, size: int) -> None:
        if self._refused and (refused := self._scanner.count(self._refused, size)):
            self._refusals += refused
            self._stopped = True
            text = bytes(self._scanner.buffer[: self._scanner.carry + size])
            self._explain(text[text.find(self._refused) :].decode(errors="replace"))

    def _close(self, client: Client) -> None:
        if client.state == OPEN:
            self._lost += 1
            self._explain(f"the server closed; last it sent {client.tail!r}")
        else:
            self._failed += 1
            self._opening -= 1
        client.state = GONE
        self._epoll.unregister(client.socket.fileno())
        del self._clients[client.socket.fileno()]
        client.socket.close()

    # The end.

    def _explain(self, why: str) -> None:
        self._why = self._why or why[:_WHY_CHARS]

    def _counted(self, connect_s: float, ready_s: float) -> Counted:
        self._save_kept()
        members, order = self.load.members, self._order
        sent = tuple(client.sent for client in order[::members])
        return Counted(
            conns=self._opened, failed=self._failed, lost=self._lost, why=self._why,
            sent_by_room=sent, delivered=self._delivered, in_time=self._in_time,
            uneven=sum(1 for c in order if c.got != sent[c.index // members]),
            acked=self._acks, refused=self._refusals, elapsed_s=self._elapsed_s,
            connect_s=connect_s, ready_s=ready_s, p50_ms=self._ages.percentile_ms(0.5),
            p95_ms=self._ages.percentile_ms(0.95), p99_ms=self._ages.percentile_ms(0.99),
            busy=self._busy, cpu_s=self._cpu_s, opening_cpu_s=self._opening_cpu_s,
            grown_bytes=self._grown_bytes,
        )  # fmt: skip

    def _save_kept(self) -> None:
        for client in self._order:
            if client.kept is not None:
                path = Path(self.load.keep_dir) / str(client.index)
                path.write_bytes(b"".join(client.kept))


def main() -> None:
    """The process: a load in, a count out."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    load = Load.from_json(sys.stdin.read())
    gc.disable()
    sys.stdout.write(Generator(load).run().to_json())


if __name__ == "__main__":
    main()
