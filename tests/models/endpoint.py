"""A model server that misbehaves on demand: run as a module it prints its port, ends
with stdin.

POST …/chat/completions   behaves as the request's `model` says, see BEHAVIOURS and `status-NNN`
POST /open                opens the gate of every `gated` request there is
GET  /sent                {"text": the last, "texts": all, "requests": [{path, headers, body}]}
GET  /stats               see tests/support/endpoint.py

HTTP is written by hand, so that bytes can be cut wherever a network may cut them.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from itertools import pairwise

from tests.support.endpoint import Call, ClientGone, Json, State, serve, told, until_gone

ODDITIES = "the löscht café 日本語 текст 👩‍👩‍👧 🎉 data: \\n “quoted” naïve \u2028 {brace} [DONE]"
WORDS = tuple(ODDITIES.split(" "))
PAUSE_S = 0.002
DRIP_S = 0.02


class Answer:
    """One HTTP answer with a chunked body, written to a socket."""

    def __init__(self, writer: asyncio.StreamWriter, state: State, number: int) -> None:
        self.writer = writer
        self.state = state
        self.dice = state.dice
        self._number = number
        self.newline = self.dice.choice(["\n", "\r\n", "\r"])
        self.colon = self.dice.choice([":", ": "])

    def say(self, text: str) -> str:
        """Notes that this text is being sent."""
        self.state.texts[self._number] += text
        return text

    async def head(
        self, kind: str = "text/event-stream", status: int = 200, extra: str = ""
    ) -> None:
        self.writer.write(
            f"HTTP/1.1 {status} Some Reason\r\nContent-Type: {kind}\r\nConnection: close\r\n"
            f"Transfer-Encoding: chunked\r\n{extra}\r\n".encode()
        )
        await self.writer.drain()

    async def body(self, data: bytes) -> None:
        self.writer.write(framed(data))
        await self.writer.drain()

    async def end(self) -> None:
        self.writer.write(framed(b""))
        await self.writer.drain()

    def frame(self, data: object, event: str | None = None) -> bytes:
        text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
        lines = [f"event{self.colon}{event}"] if event else []
        lines.append(f"data{self.colon}{text}")
        return (self.newline.join(lines) + 2 * self.newline).encode()

    async def delta(self, text: str) -> None:
        await self.body(self.frame(chunk({"content": self.say(text)})))

    async def stop(self, text: str = "") -> None:
        """The regular end: finish reason, usage, end mark."""
        await self.body(self.frame(chunk({}, "stop")))
        await self.body(self.frame(usage(text)))
        await self.body(self.frame("[DONE]"))
        await self.end()


def chunk(delta: Json, reason: str | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "c1", "object": "chat.completion.chunk", "choices": [choice]}


def usage(text: str) -> Json:
    counted = {"prompt_tokens": 11, "completion_tokens": len(text), "total_tokens": 11 + len(text)}
    return {"id": "c1", "object": "chat.completion.chunk", "choices": [], "usage": counted}


def as_json(data: object) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode()


def framed(data: bytes) -> bytes:
    """One HTTP chunk; of no bytes, the last."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def random_text(dice: random.Random, words: int = 60) -> str:
    return " ".join(dice.choice(WORDS) + str(dice.randrange(1000)) for _ in range(words))


def pieces(dice: random.Random, whole: bytes | str, longest: int) -> list[slice]:
    cuts = [0]
    while cuts[-1] < len(whole):
        cuts.append(min(cuts[-1] + dice.randint(1, longest), len(whole)))
    return [slice(a, b) for a, b in pairwise(cuts)]


async def random_reply(answer: Answer) -> None:
    """A whole stream, cut anywhere: text, SSE lines, HTTP chunks and socket writes."""
    dice = answer.dice
    text = answer.say(random_text(dice))
    frames = [answer.frame(chunk({"role": "assistant", "content": None}))]
    for piece in pieces(dice, text, 12):
        frames.append(answer.frame(chunk({"content": text[piece]})))
        if dice.random() < 0.2:
            frames.append(f": still here{answer.newline}{answer.newline}".encode())
    frames += [answer.frame(chunk({}, "stop")), answer.frame(usage(text)), answer.frame("[DONE]")]
    body = b"".join(frames)
    await answer.head()
    await write_cut(answer, body)


async def write_cut(answer: Answer, body: bytes) -> None:
    """A whole body, cut into chunks, and these into socket writes, wherever it falls."""
    dice = answer.dice
    wire = b"".join(framed(body[piece]) for piece in pieces(dice, body, 300)) + framed(b"")
    for piece in pieces(dice, wire, 120):
        answer.writer.write(wire[piece])
        await answer.writer.drain()
        if answer.dice.random() < 0.3:
            await asyncio.sleep(PAUSE_S * answer.dice.random())


async def plain(answer: Answer) -> None:
    text = random_text(answer.dice, 12)
    await answer.head()
    for piece in pieces(answer.dice, text, 8):
        await answer.delta(text[piece])
    await answer.stop(text)


async def gated(answer: Answer) -> None:
    text, gate = random_text(answer.dice, 20), asyncio.Event()
    answer.state.gates.add(gate)
    await answer.head()
    await answer.delta(text[: len(text) // 2])
    await answer.state.count("waiting")
    try:
        await gate.wait()
    finally:
        await answer.state.count("waiting", -1)
    await answer.delta(text[len(text) // 2 :])
    await answer.stop(text)


async def silent(_answer: Answer) -> None:
    await asyncio.Event().wait()


async def hang(answer: Answer) -> None:
    await answer.head()
    await answer.delta("one moment ")
    await asyncio.Event().wait()


async def drip(answer: Answer) -> None:
    await answer.head()
    while True:
        await answer.delta("drop ")
        await asyncio.sleep(DRIP_S)


async def huge(answer: Answer) -> None:
    await answer.head()
    while True:
        await answer.delta("x" * 30_000)


async def endless_line(answer: Answer) -> None:
    await answer.head()
    await answer.body(b"data: ")
    while True:
        await answer.body(b"y" * 60_000)


async def zipped(answer: Answer) -> None:
    await answer.head(extra="Content-Encoding: gzip\r\n")
    await answer.body(b"\x1f\x8b" + b"\0" * 100)
    await answer.end()


async def early_close(answer: Answer) -> None:
    """The connection dies inside an HTTP chunk."""
    await answer.head()
    await answer.delta("half of ")
    answer.writer.write(b"ff\r\ndata: {")
    await answer.writer.drain()


async def truncated(answer: Answer) -> None:
    """A well-formed HTTP answer that ends before the reply does."""
    await answer.head()
    await answer.delta("half of ")
    await answer.end()


async def html(answer: Answer) -> None:
    await answer.head("text/html; charset=utf-8")
    await answer.body(b"<html><title>Welcome</title></html>")
    await answer.end()


async def error_frame(answer: Answer) -> None:
    await answer.head()
    await answer.delta("half of ")
    await answer.body(answer.frame({"error": {"message": "out of memory", "code": 500}}))
    await answer.end()


async def error_event(answer: Answer) -> None:
    await answer.head()
    await answer.body(answer.frame({"message": "bad prompt", "type": "invalid_request"}, "error"))
    await answer.end()


async def whole(answer: Answer) -> None:
    text = answer.say(random_text(answer.dice, 12))
    turn = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": turn, "finish_reason": "length"}
    await answer.head("application/json")
    await write_cut(answer, as_json({"choices": [choice], "usage": usage(text)["usage"]}))


async def no_end(answer: Answer) -> None:
    """A finish reason, and then nothing: neither usage nor end mark nor end of the body."""
    await answer.head()
    await answer.delta("all of it")
    await answer.body(answer.frame(chunk({}, "stop")))
    await asyncio.Event().wait()


async def no_blank_line(answer: Answer) -> None:
    """The last event is not closed, and there is no usage."""
    await answer.head()
    await answer.delta("all of it")
    await answer.body(answer.frame(chunk({}, "stop")).rstrip())
    await answer.end()


async def refuse(answer: Answer, status: int) -> None:
    extra = "Retry-After: 7\r\n" if status in (429, 503) else ""
    extra += "Location: http://127.0.0.1:1/\r\n" if 300 <= status < 400 else ""
    await answer.head("application/json", status, extra)
    headers = answer.state.requests[-1]["headers"]
    assert isinstance(headers, dict)
    said = f"no: {headers.get('authorization', '')} " + "because " * 100
    await write_cut(answer, as_json({"error": {"message": said, "type": "refused"}}))


async def small(answer: Answer) -> None:
    """A window of a thousand characters."""
    body = answer.state.requests[-1]["body"]
    assert isinstance(body, dict)
    if sum(len(str(turn["content"])) for turn in body["messages"]) <= 1_000:
        await plain(answer)
        return
    await answer.head("application/json", 400)
    message = "This model's maximum context length is 250 tokens. Please reduce the length."
    error = {"message": message, "type": "invalid_request_error", "code": "context_length_exceeded"}
    await write_cut(answer, as_json({"error": error}))


BEHAVIOURS: dict[str, Callable[[Answer], Awaitable[None]]] = {
    "random": random_reply,
    "plain": plain,
    "gated": gated,
    "silent": silent,
    "small": small,
    "hang": hang,
    "drip": drip,
    "huge": huge,
    "endless-line": endless_line,
    "gzip": zipped,
    "early-close": early_close,
    "truncated": truncated,
    "html": html,
    "error-frame": error_frame,
    "error-event": error_event,
    "json": whole,
    "no-end": no_end,
    "no-blank-line": no_blank_line,
}


async def complete(answer: Answer, model: str) -> None:
    if model.startswith("status-"):
        await refuse(answer, int(model.removeprefix("status-")))
    else:
        await BEHAVIOURS.get(model, plain)(answer)


async def chat(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, state: State, body: bytes
) -> None:
    """Answers until done or until the client goes, which is counted as a disconnect."""
    model = str(json.loads(body).get("model"))
    state.models[model] += 1
    state.texts.append("")
    answer = Answer(writer, state, len(state.texts) - 1)
    await state.count("requests")
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(until_gone(reader))
            await complete(answer, model)
            watching.cancel()
    except* (ClientGone, OSError):
        await state.count("disconnects")


async def chat_route(call: Call) -> None:
    if call.url.path.endswith("/chat/completions"):
        body = json.loads(call.body)
        call.state.requests.append({"path": call.url.path, "headers": call.headers, "body": body})
        await chat(call.reader, call.writer, call.state, call.body)
        return
    texts = call.state.texts
    await told(call, {"text": texts[-1] if texts else "", "texts": texts})


if __name__ == "__main__":
    asyncio.run(serve(chat_route))
