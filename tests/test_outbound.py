"""hub/outbound.py: what the client reaches, and what of an answer it lets through."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpcore
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.core.errors import Backend
from hub.outbound import GuardedNetwork, SystemResolver, guarded_client
from hub.wire.urls import read_allow
from tests.workers.drivers.hook_server import HookServer, run_hook_server

PUBLIC, PUBLIC_6, PRIVATE = "93.184.216.34", "2606:2800:220:1::1", "10.0.0.7"
NAME = "bot.example"


class Names:
    """A name server that gives the next list of addresses each time it is asked."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self._answers = iter(answers)
        self.asked: list[tuple[str, int]] = []

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        pass


class Lines(httpcore.AsyncNetworkBackend):
    """A network on which only some addresses answer, and which knows what was tried."""

    def __init__(self, *answering: str) -> None:
        self._answering = answering
        self.tried: list[str] = []
        self.timeouts: list[float | None] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.tried.append(host)
        self.timeouts.append(timeout)
        if host not in self._answering:
            raise httpcore.ConnectError(f"{host} does not answer")
        return httpcore.AsyncMockStream([])


@pytest.fixture(scope="module")
def server() -> Iterator[HookServer]:
    with run_hook_server() as running:
        yield running


def network(names: Names, lines: Lines, *allow: str) -> GuardedNetwork:
    return GuardedNetwork(read_allow(allow), names, lines)


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    names, lines = Names([PUBLIC], [PRIVATE]), Lines(PUBLIC, PRIVATE)
    guarded = network(names, lines)
    await guarded.connect_tcp(NAME, 443)
    assert (lines.tried, names.asked) == ([PUBLIC], [(NAME, 443)])
    with pytest.raises(Backend, match="must lead to a public address") as caught:
        await guarded.connect_tcp(NAME, 443)
    assert lines.tried == [PUBLIC]
    assert not caught.value.transient
    assert PRIVATE not in caught.value.message


@pytest.mark.parametrize("answer", [[PUBLIC, PRIVATE], [PRIVATE, PUBLIC], ["::1", PUBLIC_6]])
async def test_one_private_address_among_public_ones_is_enough_to_refuse(
    answer: list[str],
) -> None:
    lines = Lines(*answer)
    with pytest.raises(Backend):
        await network(Names(answer), lines).connect_tcp(NAME, 443)
    assert lines.tried == []


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    lines = Lines(PUBLIC)
    await network(Names([PUBLIC_6, PUBLIC]), lines).connect_tcp(NAME, 443, timeout=8.0)
    assert lines.tried == [PUBLIC_6, PUBLIC]
    first, second = (timeout or 0.0 for timeout in lines.timeouts)
    assert 3.0 < first <= 4.0 < second <= 8.0
    with pytest.raises(httpcore.ConnectError, match=PUBLIC):
        await network(Names([PUBLIC_6, PUBLIC]), Lines()).connect_tcp(NAME, 443)


async def test_what_the_operator_allows_may_be_anywhere_but_only_there() -> None:
    lines = Lines(PRIVATE)
    await network(Names([PRIVATE]), lines, "bot.example:8080").connect_tcp("Bot.Example", 8080)
    assert lines.tried == [PRIVATE]
    for host, port in ((NAME, 8081), (f"evil.{NAME}", 8080)):
        with pytest.raises(Backend, match="must lead to a public address"):
            await network(Names([PRIVATE]), lines, "bot.example:8080").connect_tcp(host, port)


@pytest.mark.parametrize(
    "answer", [[], socket.gaierror(-2, "unknown"), UnicodeError("label too long")]
)
async def test_a_name_nobody_knows_may_be_known_later(answer: list[str] | Exception) -> None:
    with pytest.raises(Backend, match=r"bot\.example cannot be resolved") as caught:
        await network(Names(answer), Lines()).connect_tcp(NAME, 443)
    assert caught.value.transient


async def test_a_slow_name_server_is_waited_for_as_long_as_a_connection() -> None:
    class Slow(Names):
        async def addresses(self, host: str, port: int) -> Sequence[str]:
            await asyncio.Event().wait()
            return []

    async with asyncio.timeout(10):
        with pytest.raises(httpcore.ConnectTimeout):
            await network(Slow(), Lines()).connect_tcp(NAME, 443, timeout=0.05)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "100.64.0.1",
        "169.254.169.254",
        "255.255.255.255",
        "localhost.",
        "127.0.0.1.",
    ],
)
async def test_no_spelling_of_a_local_address_is_reached(server: HookServer, host: str) -> None:
    """By the whole client, and by its network alone: the system's resolver reads many of these."""
    before = len(await server.requests())
    async with guarded_client([]) as client:
        for scheme in ("https", "http"):
            with pytest.raises((Backend, httpx.InvalidURL)) as caught:
                await client.post(f"{scheme}://{host}:{server.port}/hook/nothing")
            assert not getattr(caught.value, "transient", False)
    lines = Lines()
    async with guarded_resolver() as names:
        with pytest.raises(Backend):
            await GuardedNetwork(frozenset(), names, lines).connect_tcp(
                host.strip("[]"), server.port
            )
    assert lines.tried == []
    assert len(await server.requests()) == before


@asynccontextmanager
async def guarded_resolver() -> AsyncIterator[SystemResolver]:
    names = SystemResolver()
    try:
        yield names
    finally:
        names.close()


async def test_the_system_says_all_addresses_of_a_host() -> None:
    async with guarded_resolver() as names:
        assert await names.addresses("2130706433", 1) == ["127.0.0.1"]
        assert await names.addresses("::1", 1) == ["::1"]
        assert "127.0.0.1" in await names.addresses("localhost", 1)
        with pytest.raises(OSError):
            await names.addresses("nobody.invalid", 1)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://bot.example/hook", "the URL must begin with https://"),
        ("https://alice:secret@bot.example/", "the URL must not hold a user name"),
        ("https://bot.example:25/", "the URL must have port 443"),
        ("ftp://bot.example/", "the URL must begin with https://"),
    ],
)
async def test_a_url_is_checked_again_when_it_is_called(url: str, message: str) -> None:
    names = Names()
    async with guarded_client([], resolver=names) as client:
        with pytest.raises(Backend, match=message) as caught:
            await client.post(url)
    assert not caught.value.transient
    assert "secret" not in caught.value.message
    assert names.asked == []


def test_a_wrong_list_of_the_operator_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="HUB_OUTBOUND_ALLOW is a list of host:port"):
        guarded_client(["localhost"])


async def test_proxies_of_the_environment_cookies_and_redirects_are_not_used(
    server: HookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    there = server.url("say")
    headers = f"Location: {there}\r\nSet-Cookie: a=b\r\n"
    async with guarded_client([server.address]) as client:
        for _ in range(2):
            answer = await client.post(server.url("say", status=302, headers=headers))
            assert answer.status_code == 302
    sent = [request["headers"] for request in await server.requests()][-2:]
    assert [("cookie" in headers, headers["accept-encoding"]) for headers in sent] == [
        (False, "identity"),
        (False, "identity"),
    ]


async def test_a_body_is_refused_when_encoded_or_too_large_and_the_status_is_seen(
    server: HookServer,
) -> None:
    client = guarded_client([server.address], max_bytes=100_000)
    async with client, asyncio.timeout(20):
        for url in (server.url("bomb", status=500), server.url("endless", body="x", times=5000)):
            async with client.stream("POST", url) as answer:
                assert answer.status_code in (200, 500)
                with pytest.raises(Backend, match=r"Content-Encoding gzip|more than 100000"):
                    await answer.aread()
        plain = server.answer("hello", headers="Content-Encoding: identity\r\n")
        assert (await client.post(plain)).text == "hello"


async def test_errors_are_those_of_httpx(server: HookServer) -> None:
    async with guarded_client([server.address, "127.0.0.1:1"]) as client:
        with pytest.raises(httpx.ConnectError):
            await client.post("http://127.0.0.1:1/")
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(server.url("nothing"))
        with pytest.raises(httpx.ReadTimeout):
            await client.post(server.url("silent"), timeout=0.2)
        async with client.stream("POST", server.url("early-close")) as answer:
            with pytest.raises(httpx.RemoteProtocolError):
                await answer.aread()


class TlsServer:
    """An HTTPS server on a free port with a certificate for one name, signed by nobody known."""

    def __init__(self, folder: Path, name: str) -> None:
        self.certificate = folder / "certificate.pem"
        self.names: list[str | None] = []
        self.heads: list[bytes] = []
        self.port = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.sni_callback = lambda _socket, named, _context: self.names.append(named)
        self._make_certificate(name)

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[TlsServer]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self._context)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    def _make_certificate(self, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key(), 1)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        private = key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.certificate.write_bytes(certificate.public_bytes(pem) + private)
        self._context.load_cert_chain(self.certificate)


async def test_the_name_is_kept_for_tls_and_host_while_the_address_is_called(
    tmp_path: Path,
) -> None:
    async with TlsServer(tmp_path, NAME).serve() as server:
        address = f"{NAME}:{server.port}"
        names = Names(["127.0.0.1"])
        async with guarded_client([address], resolver=names, tls=server.trusting()) as client:
            answer = await client.post(f"https://{address}/hook?a=b")
    assert (answer.status_code, answer.text) == (200, "hi")
    assert server.names == [NAME]
    assert server.heads[0].startswith(b"POST /hook?a=b HTTP/1.1\r\n")
    assert f"\r\nHost: {address}\r\n".encode() in server.heads[0]


async def test_a_certificate_of_another_name_or_of_nobody_known_is_refused(
    tmp_path: Path,
) -> None:
    async with TlsServer(tmp_path, "other.example").serve() as server:
        address = f"{NAME}:{server.port}"
        for tls in (server.trusting(), None):
            names = Names(["127.0.0.1"])
            async with guarded_client([address], resolver=names, tls=tls) as client:
                with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.post(f"https://{address}/")
    assert server.heads == []
