"""The HTTP client for every URL that a tenant can set: it reaches public addresses only.

The guard is on the address, not on the name: a name is resolved once for a connection, every
address found must be public, and the connection goes to one of them while TLS and the Host header
keep the name. So a name that changes between a check and its use (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, Protocol

import httpcore
import httpx

from hub.core.errors import Backend
from hub.wire.urls import Endpoint, check_url, endpoint, is_public, not_public, read_allow

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_CONNECTIONS: Final = 1000
TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)
_RESOLVING: Final = 8


class Resolver(Protocol):
    """Who knows the addresses of hosts."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """All of them, best first. Raises OSError or UnicodeError when there are none."""

    def close(self) -> None:
        """It is not asked again."""


def guarded_client(
    allow: Sequence[str],
    *,
    resolver: Resolver | None = None,
    tls: ssl.SSLContext | None = None,
    max_connections: int = MAX_CONNECTIONS,
    max_bytes: int = MAX_BYTES,
) -> httpx.AsyncClient:
    """A client without proxies, redirects, cookies and compression, to be entered and left.

    `allow` is the operator's list of `host:port` (HUB_OUTBOUND_ALLOW), exempt from the guard;
    a wrong entry raises ValueError. A URL or address that is refused raises a `Backend` that is
    not transient; so does, when its body is read, an answer with a Content-Encoding or of more
    than `max_bytes`. The time of a whole exchange is the caller's to bound.
    """
    return httpx.AsyncClient(
        transport=GuardedTransport(
            allow, resolver or SystemResolver(), tls, max_connections, max_bytes
        ),
        trust_env=False,
        follow_redirects=False,
        timeout=TIMEOUT,
        headers={"Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


class SystemResolver:
    """The system's resolver on threads of its own: a tenant's slow name server holds up names of
    other tenants at most, never the threads the rest of the hub works on."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVING, thread_name_prefix="resolve")

    async def addresses(self, host: str, port: int) -> list[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, _getaddrinfo, host, port
        )
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """Ends the threads once they are idle; nothing is waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _getaddrinfo(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class GuardedTransport(httpx.AsyncBaseTransport):
    """Refuses URLs before anything is sent, and bodies that are encoded or too large."""

    def __init__(
        self,
        allow: Sequence[str],
        resolver: Resolver,
        tls: ssl.SSLContext | None,
        max_connections: int,
        max_bytes: int,
    ) -> None:
        self._allow = tuple(allow)
        self._resolver = resolver
        self._max_bytes = max_bytes
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or httpx.create_ssl_context(trust_env=False),
            max_connections=max_connections,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=GuardedNetwork(read_allow(allow), resolver),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            check_url(str(request.url), self._allow)
        except ValueError as error:
            raise Backend(f"the URL {error}") from error
        with _as_httpx():
            answer = await self._pool.handle_async_request(_inner(request))
        body = _Body(answer, self._max_bytes)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=body, extensions=answer.extensions
        )

    async def aclose(self) -> None:
        await self._pool.aclose()
        self._resolver.close()


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connections to hosts whose every address is public, or which the operator allows."""

    def __init__(
        self,
        allow: frozenset[Endpoint],
        resolver: Resolver,
        inner: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._allow = allow
        self._resolver = resolver
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """The timeout is for resolving and connecting together. Raises Backend for a host that is
        refused or unknown, and the connection errors of httpcore."""
        try:
            async with asyncio.timeout(timeout) as until:
                addresses = await self._addresses(host, port)
                return await self._any_of(addresses, port, until.when())
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self._resolver.addresses(host, port)
        except (OSError, UnicodeError) as error:
            raise _unknown(host) from error
        if not addresses:
            raise _unknown(host)
        if endpoint(host, port) not in self._allow and not all(map(is_public, addresses)):
            raise Backend(f"the URL {not_public(host, port)}")
        return addresses

    async def _any_of(
        self, addresses: Sequence[str], port: int, ends_at: float | None
    ) -> httpcore.AsyncNetworkStream:
        """The first that answers; each has an equal share of the time that is left."""
        now = asyncio.get_running_loop().time
        for left in range(len(addresses), 0, -1):
            share = None if ends_at is None else (ends_at - now()) / left
            try:
                return await self._inner.connect_tcp(addresses[-left], port, timeout=share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if left == 1:
                    raise
        raise httpcore.ConnectError("no address")


class _Body(httpx.AsyncByteStream):
    """The bytes of an answer as they came, up to a limit."""

    def __init__(self, answer: httpcore.Response, max_bytes: int) -> None:
        self._stream = answer.stream
        self._encoding = _encoding(answer)
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._encoding:
            raise Backend(f"the answer has Content-Encoding {self._encoding}; identity was asked")
        size = 0
        assert not isinstance(self._stream, Iterable)
        with _as_httpx():
            async for data in self._stream:
                size += len(data)
                if size > self._max_bytes:
                    raise Backend(f"the answer has more than {self._max_bytes} bytes")
                yield data

    async def aclose(self) -> None:
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()


def _encoding(answer: httpcore.Response) -> str:
    """What has been done to the body: a few bytes of gzip may be gigabytes of text."""
    named = b",".join(
        value for name, value in answer.headers if name.lower() == b"content-encoding"
    )
    encoding = "".join(c for c in named.decode("latin-1") if c.isprintable()).strip().lower()
    return "" if encoding == "identity" else encoding[:40]


def _inner(request: httpx.Request) -> httpcore.Request:
    url = request.url
    return httpcore.Request(
        request.method,
        httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


@contextmanager
def _as_httpx() -> Iterator[None]:
    """The errors of httpcore as those of httpx, which have the same names."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        kind = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise kind(str(error)) from error


def _unknown(host: str) -> Backend:
    return Backend(f"the host name {host} cannot be resolved", transient=True)
