"""TLS in front of a server that has none: the Valkey of the wheel is built without it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HANDSHAKE: Final = b"\x16"  # what a TLS client's first byte is (RFC 8446, 5.1)
DAY: Final = datetime.timedelta(days=1)


def make_certificate(folder: Path, address: str = "127.0.0.1") -> Path:
    """A file with a key and the certificate of an address, which it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "roomhub tests")])
    now = datetime.datetime.now(datetime.UTC)
    named = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(named, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{address}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Door:
    """A port that takes the TLS off for a server on loopback. Who speaks none is let through, as
    sentinels and replicas do, and counted."""

    def __init__(self, certificate: Path) -> None:
        self.secured = 0
        self.plain = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._target = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)

    @contextlib.contextmanager
    def open_to(self, target: int) -> Iterator[None]:
        """Let them in, on a loop of its own, while the context lasts."""
        self._target = target
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_until_complete, args=(self._accept(loop),))
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
            thread.join()
            loop.close()
            self._listener.close()

    async def _accept(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            async with asyncio.TaskGroup() as group:
                while True:
                    taken, _ = await loop.sock_accept(self._listener)
                    group.create_task(self._carry(loop, taken))

    async def _carry(self, loop: asyncio.AbstractEventLoop, taken: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(taken.close)
            secure = await _first_byte(loop, taken) == HANDSHAKE
            self.secured, self.plain = self.secured + secure, self.plain + (not secure)
            reader = asyncio.StreamReader()
            transport, protocol = await loop.connect_accepted_socket(
                lambda: asyncio.StreamReaderProtocol(reader),
                taken,
                ssl=self._context if secure else None,
            )
            stack.callback(transport.abort)
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
            stack.callback(up_writer.transport.abort)
            ways = [_pass(reader, up_writer), _pass(up_reader, writer)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()


async def _first_byte(loop: asyncio.AbstractEventLoop, taken: socket.socket) -> bytes:
    """What it begins with, left where it is."""
    taken.setblocking(False)
    readable = loop.create_future()
    loop.add_reader(taken, _once, readable)
    try:
        await readable
    finally:
        loop.remove_reader(taken)
    return taken.recv(1, socket.MSG_PEEK)


def _once(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
