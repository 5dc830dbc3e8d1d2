"""Hand-made agents, which answer what they are told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from hub.core.errors import Backend
from hub.core.values import Json
from workers.drivers.a2a_http import Bounds

from .playing import QUICK, invocation, open_driver, play


def answer(body: Any, kind: str = "application/json", status: int = 200, extra: str = "") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} Some Reason\r\nContent-Type: {kind}\r\nConnection: close\r\n{extra}"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def result(value: Any) -> bytes:
    return answer({"jsonrpc": "2.0", "id": 1, "result": value})


def events(*values: Any) -> bytes:
    frames = [json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}) for value in values]
    return answer("".join(f"data: {f}\n\n" for f in frames).encode(), "text/event-stream")


def task(state: str, *texts: str, said: str = "", **fields: Any) -> Json:
    status: Json = {"state": f"TASK_STATE_{state}"}
    if said:
        status["message"] = {"messageId": "q", "parts": [{"text": said}]}
    artifacts = [{"artifactId": f"a{n}", "parts": [{"text": t}]} for n, t in enumerate(texts)]
    return {"id": "t", "contextId": "c", "status": status, "artifacts": artifacts, **fields}


def piece(text: str, name: str = "a0", **fields: Any) -> Json:
    artifact = {"artifactId": name, "parts": [{"text": text}]}
    return {"artifactUpdate": {"taskId": "t", "contextId": "c", "artifact": artifact, **fields}}


def status(state: str, said: str = "") -> Json:
    return {"statusUpdate": {"taskId": "t", "contextId": "c", **task(state, said=said)}}


def card(url: str, *, streaming: bool = False, **fields: Any) -> Json:
    interface = {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    return {
        "supportedInterfaces": [interface],
        "capabilities": {"streaming": streaming},
        **fields,
    }


@dataclass
class Raw:
    """A hand-made agent: its address, what it was asked, and what it answers by method; `holds`
    says that it keeps streams open when it has no more to say."""

    base: str
    calls: list[Json]
    replies: dict[str, bytes | list[bytes]]
    card: bytes = b""
    cards_read: int = 0
    holds: bool = False

    def methods(self) -> list[str]:
        return [call["method"] for call in self.calls]

    def reply(self, request: Json) -> bytes:
        self.calls.append(request)
        given = self.replies[request["method"]]
        if isinstance(given, list):
            return given.pop(0) if len(given) > 1 else given[0]
        return given


@asynccontextmanager
async def raw_agent(*, streaming: bool = False, **replies: Any) -> AsyncIterator[Raw]:
    """Answers as said; b"" hangs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if head.startswith("GET"):
                raw.cards_read += 1
                data = raw.card
            else:
                size = int(head.lower().partition("content-length:")[2].split()[0])
                data = raw.reply(json.loads(await reader.readexactly(size)))
            if not data:
                await reader.read()
            writer.write(data)
            await writer.drain()
            if raw.holds and b"event-stream" in data:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    raw = Raw(base, [], {"CancelTask": result(task("CANCELED")), **replies})
    raw.card = answer(card(f"{base}/rpc", streaming=streaming))
    async with server:
        yield raw


async def refused(
    raw: Raw, bounds: Bounds = QUICK, kind: type[Backend] = Backend, **fields: Any
) -> Backend:
    async with open_driver(bounds) as driver:
        with pytest.raises(kind) as caught:
            await play(driver, invocation(raw.base, **fields))
    assert len(caught.value.message) < 400
    return caught.value
