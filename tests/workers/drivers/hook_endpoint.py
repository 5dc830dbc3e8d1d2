"""A webhook that misbehaves on demand: run as a module it prints its port, ends with stdin.

POST /hook/NAME           behaves as BEHAVIOURS says; `say` answers what its query asks for
POST /open, GET /sent, GET /stats    see tests/support/endpoint.py; `body` is text as it came
"""

from __future__ import annotations

import asyncio
import base64
import zlib
from collections.abc import Awaitable, Callable
from urllib.parse import SplitResult, parse_qsl

from tests.models.endpoint import DRIP_S, Answer, as_json, write_cut
from tests.support.endpoint import Call, ClientGone, State, serve, told, until_gone

Query = dict[str, str]
NOTHING = base64.urlsafe_b64encode(zlib.compress(b""))


async def say(answer: Answer, query: Query) -> None:
    """The status, type, headers and body that were asked for, cut anywhere."""
    status = int(query.get("status", "200"))
    if status == 204:
        answer.writer.write(b"HTTP/1.1 204 Nothing\r\nConnection: close\r\n\r\n")
        return
    await answer.head(query.get("kind", "application/json"), status, query.get("headers", ""))
    await write_cut(answer, zlib.decompress(base64.urlsafe_b64decode(query.get("zip", NOTHING))))


async def echo(answer: Answer, query: Query) -> None:
    """An error that sends back what it was sent."""
    await answer.head("text/plain", int(query["status"]))
    said = str(answer.state.requests[-1]["body"])
    await write_cut(answer, said[said.index('"reply_url"') :].encode("latin-1") + b" \x1b[31m\0")


async def silent(_answer: Answer, _query: Query) -> None:
    await asyncio.Event().wait()


async def hang(answer: Answer, query: Query) -> None:
    """A beginning, and then nothing."""
    await answer.head(query.get("kind", "text/event-stream"), int(query.get("status", "200")))
    await answer.body(query.get("body", 'data: {"text": "one moment"}\n\n').encode())
    await answer.state.count("waiting")
    await asyncio.Event().wait()


async def gated(answer: Answer, _query: Query) -> None:
    gate = asyncio.Event()
    answer.state.gates.add(gate)
    await answer.head()
    await answer.body(answer.frame({"text": "first "}))
    await answer.state.count("waiting")
    await gate.wait()
    await answer.body(answer.frame({"text": "then"}) + answer.frame("[DONE]"))
    await answer.end()


async def sized(answer: Answer, query: Query) -> None:
    """A text of so many bytes, of two each."""
    letters = int(query["bytes"]) // 2
    await answer.head(query["kind"])
    if query["kind"] == "application/json":
        await answer.body(as_json({"content": "é" * letters}))
    else:
        for start in range(0, letters, 1000):
            await answer.body(answer.frame({"text": "é" * min(1000, letters - start)}))
        await answer.body(answer.frame("[DONE]"))
    await answer.end()


async def drip(answer: Answer, _query: Query) -> None:
    """A byte of a JSON answer at a time, for ever."""
    await answer.head("application/json")
    while True:
        await answer.body(b" ")
        await asyncio.sleep(DRIP_S)


async def endless(answer: Answer, query: Query) -> None:
    """The same piece for ever, as fast as it is taken."""
    await answer.head(query.get("kind", "text/event-stream"))
    while True:
        await answer.body(query["body"].encode() * int(query.get("times", "1")))


async def bomb(answer: Answer, query: Query) -> None:
    """A little gzip that is a hundred megabytes of JSON string."""
    await answer.head("application/json", int(query["status"]), "Content-Encoding: gzip\r\n")
    press = zlib.compressobj(wbits=31)
    for _ in range(100):
        await answer.body(press.compress(b"x" * 1_000_000))
    await answer.body(press.flush())
    await answer.end()


async def early_close(answer: Answer, query: Query) -> None:
    """The connection dies inside an HTTP chunk."""
    await answer.head(query.get("kind", "text/event-stream"))
    answer.writer.write(b'ff\r\ndata: {"text": "half of')
    await answer.writer.drain()


async def no_length(answer: Answer, query: Query) -> None:
    """A body that ends with the connection, so that HTTP cannot tell whether it is whole."""
    answer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    answer.writer.write(query["body"].encode())
    await answer.writer.drain()


async def nothing(_answer: Answer, _query: Query) -> None:
    """Closed without a word."""


async def garbage(answer: Answer, _query: Query) -> None:
    answer.writer.write(b"220 mail.example ESMTP\r\n")
    await answer.writer.drain()


BEHAVIOURS: dict[str, Callable[[Answer, Query], Awaitable[None]]] = {
    "say": say,
    "echo": echo,
    "silent": silent,
    "hang": hang,
    "gated": gated,
    "sized": sized,
    "drip": drip,
    "endless": endless,
    "bomb": bomb,
    "early-close": early_close,
    "no-length": no_length,
    "nothing": nothing,
    "garbage": garbage,
}


async def hook(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: State, url: SplitResult
) -> None:
    """Answers until done or until the client goes, which is counted as a disconnect."""
    state.texts.append("")
    answer = Answer(writer, state, len(state.texts) - 1)
    behave = BEHAVIOURS[url.path.rpartition("/")[2]]
    await state.count("requests")
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(until_gone(reader))
            await behave(answer, dict(parse_qsl(url.query)))
            watching.cancel()
    except* (ClientGone, OSError):
        await state.count("disconnects")


async def route(call: Call) -> None:
    if not call.url.path.startswith("/hook/"):
        await told(call, {})
        return
    body = call.body.decode("latin-1")
    call.state.requests.append({"path": call.url.path, "headers": call.headers, "body": body})
    await hook(call.reader, call.writer, call.state, call.url)


if __name__ == "__main__":
    asyncio.run(serve(route))
