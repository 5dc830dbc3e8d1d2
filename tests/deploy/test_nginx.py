"""The rules of `deploy/nginx.conf`, in front of gateways that do what a test says."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import pytest

from deploy.child import Child
from deploy.nginx import start_nginx
from deploy.postgres import free_port
from tests.deploy.topology import nginx_or_skip
from tests.support.redis import until

PATIENCE_S: Final = 30.0
STREAM: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def say_ok(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def say_nothing(writer: asyncio.StreamWriter) -> None:
    """As a gateway that is killed while it works on the request."""


@dataclass
class StandIn:
    """In the place of both gateways: what arrived, and how it is answered."""

    answer: Answering = say_ok
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
            self.bodies.append(await reader.readexactly(int(fields.get("content-length", 0))))
            self.heads.append(head)
            await self.answer(writer)
            await writer.drain()
        writer.close()

    @property
    def methods(self) -> list[str]:
        return [head.split(" ", 1)[0] for head in self.heads]

    def header(self, name: str) -> str | None:
        """Of the last request."""
        lines = (line.partition(": ") for line in self.heads[-1].split("\r\n"))
        return next((value for key, _, value in lines if key.lower() == name.lower()), None)


@contextlib.contextmanager
def run_nginx(folder: Path, gateways: tuple[str, str]) -> Iterator[str]:
    """Its address, once it listens."""
    program, listen = nginx_or_skip(), f"127.0.0.1:{free_port()}"
    (folder / "run").mkdir()
    nginx = start_nginx(program, listen, gateways, folder / "run", folder / "nginx.log")
    try:
        _await_listening(nginx, f"http://{listen}")
        yield f"http://{listen}"
    finally:
        nginx.ask_to_stop()
        nginx.end(time.monotonic() + PATIENCE_S)


def _await_listening(nginx: Child, address: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert nginx.process.poll() is None and time.monotonic() < deadline, nginx.said()
        with contextlib.suppress(httpx.ConnectError):
            httpx.post(address, content=bytes(600_000), trust_env=False)  # nginx's own 413
            return
        time.sleep(0.02)


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
async def address(stand_in: StandIn) -> AsyncIterator[str]:
    """Where the stand-in listens, host:port."""
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


@pytest.fixture
async def http(address: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of nginx in front of two live gateways."""
    with run_nginx(tmp_path, (address, address)) as front:
        async with httpx.AsyncClient(base_url=front, timeout=PATIENCE_S, trust_env=False) as client:
            yield client


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_a_dying_gateway_was_sent_goes_to_no_other_one(
    stand_in: StandIn, http: httpx.AsyncClient, method: str
) -> None:
    stand_in.answer = say_nothing
    answer = await http.request(method, "/v1/rooms", json={"name": "Once"})
    assert [method] == stand_in.methods
    assert 502 == answer.status_code
    assert "BACKEND_ERROR" == answer.json()["error"]["code"]
    assert answer.headers["x-request-id"] == answer.json()["meta"]["request_id"]


async def test_a_read_that_a_dying_gateway_was_sent_goes_to_the_other_one(
    stand_in: StandIn, http: httpx.AsyncClient
) -> None:
    async def first_nothing(writer: asyncio.StreamWriter) -> None:
        if len(stand_in.heads) > 1:
            await say_ok(writer)

    stand_in.answer = first_nothing
    assert "ok" == (await http.get("/v1/rooms")).text
    assert ["GET", "GET"] == stand_in.methods


async def test_a_post_that_a_dead_gateway_refused_goes_to_the_other_one(
    stand_in: StandIn, address: str, tmp_path: Path
) -> None:
    dead = f"127.0.0.1:{free_port()}"
    with run_nginx(tmp_path, (dead, address)) as front:
        async with httpx.AsyncClient(base_url=front, trust_env=False) as client:
            answers = [await client.post("/v1/rooms", content=f"{n}") for n in range(6)]
    assert ["ok"] * 6 == [answer.text for answer in answers]
    assert [f"{n}".encode() for n in range(6)] == stand_in.bodies


async def test_an_event_goes_out_before_the_next_one_comes(
    stand_in: StandIn, http: httpx.AsyncClient
) -> None:
    heard = asyncio.Event()

    async def wait_in_between(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + b"data: one\n\n")
        await asyncio.wait_for(heard.wait(), PATIENCE_S)
        writer.write(b"data: two\n\n")

    stand_in.answer = wait_in_between
    headers = {"Accept-Encoding": "gzip"}
    reads = []
    async with http.stream("POST", "/v1/sessions/sess_1/messages", headers=headers) as answer:
        async for read in answer.aiter_raw():
            reads.append(read)
            heard.set()
    assert [b"data: one\n\n", b"data: two\n\n"] == reads


async def test_the_gateways_own_bound_of_a_body_answers_and_nginx_is_the_wall_behind(
    stand_in: StandIn, http: httpx.AsyncClient
) -> None:
    body = bytes(range(256)) * 1025
    assert "ok" == (await http.post("/v1/rooms", content=body)).text
    assert body == stand_in.bodies[-1]
    refused = await http.post("/v1/rooms", content=body * 2)
    assert 413 == refused.status_code
    assert "PAYLOAD_TOO_LARGE" == refused.json()["error"]["code"]
    assert 1 == len(stand_in.heads)


async def test_a_gateway_is_told_who_calls_and_not_what_the_caller_claims(
    stand_in: StandIn, http: httpx.AsyncClient
) -> None:
    claims = {"X-Forwarded-For": "10.9.8.7", "X-Forwarded-Proto": "gopher", "Upgrade": "h2c"}
    await http.get("/v1/me", headers=claims | {"X-Request-ID": "mine"})
    assert "127.0.0.1" == stand_in.header("X-Forwarded-For")
    assert "http" == stand_in.header("X-Forwarded-Proto")
    assert None is stand_in.header("Upgrade")
    assert "mine" == stand_in.header("X-Request-ID")
    assert f"{http.base_url.host}:{http.base_url.port}" == stand_in.header("Host")


@pytest.mark.parametrize("path", ["/metrics", "/metrics?x=1", "//metrics", "/%6Detrics"])
async def test_nobody_outside_is_told_a_gateways_figures(
    http: httpx.AsyncClient, stand_in: StandIn, path: str
) -> None:
    answer = await http.get(str(http.base_url).rstrip("/") + path)
    assert (404, "NOT_FOUND") == (answer.status_code, answer.json()["error"]["code"])
    assert answer.json()["meta"]["request_id"] == answer.headers["x-request-id"]
    assert [] == stand_in.heads


async def test_a_ticket_in_the_address_is_not_in_the_access_log(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    await http.get("/v1/ws?ticket=rht_secret")
    log = tmp_path / "nginx.log"
    await until(lambda: "GET /v1/ws 200" in log.read_text(), PATIENCE_S)  # after the answer
    assert "rht_secret" not in log.read_text()
