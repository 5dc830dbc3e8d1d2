"""`hub.gateway.replies`: chunks, places in a stream, comments while nothing is said."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import orjson
import pytest

from hub.core.errors import Backend, Invalid
from hub.gateway.replies import Chunks, Place, read_place, stream

CHUNKS = Chunks("msg_1", "m", 7)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("run_01:2:30", Place("run_01", 2, 30)),
        ("run_01:0:0", Place("run_01")),
        ("run_01:done", Place("run_01", done=True)),
    ],
)
def test_a_place_is_read_back(text: str, place: Place) -> None:
    assert place == read_place(text)


@pytest.mark.parametrize(
    "text", ["", "x", "run_01", "run_01:1", "run_01:-1:3", "run_01:1:٣", "run_01:1:3:done", "a:1:3"]
)
def test_what_is_no_place_is_named(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_place(text)
    assert "Last-Event-ID" == caught.value.details[0].field


def test_every_line_has_a_delta_an_error_and_the_last_included() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    said = [
        CHUNKS.begin("run_1:0:0"), CHUNKS.end("stop", usage, "run_1:done"),
        CHUNKS.fail(Backend("no")),
    ]  # fmt: skip
    shown = [orjson.loads(line.split(b"data: ")[1]) for line in said]
    assert all("delta" in chunk["choices"][0] for chunk in shown)
    assert ("stop", usage) == (shown[1]["choices"][0]["finish_reason"], shown[1]["usage"])
    assert ("BACKEND_ERROR", "no") == (shown[2]["code"], shown[2]["message"])
    assert said[2].startswith(b"event: error\n")


async def test_what_an_answer_holds_is_let_go_when_its_client_leaves_or_never_came() -> None:
    let_go: list[str] = []

    async def lasting() -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            let_go.append("source")

    async def answered(method: str) -> None:
        said = asyncio.Event()

        async def send(message: Any) -> None:
            if message.get("body"):
                said.set()

        async def receive() -> Any:
            await said.wait()
            return {"type": "http.disconnect"}

        stack = contextlib.AsyncExitStack()
        stack.callback(let_go.append, "stack")
        response = stream(lasting(), stack, lambda: let_go.append("end"))
        async with asyncio.timeout(10):
            await response({"type": "http", "method": method}, receive, send)

    await answered("GET")
    assert ["source", "stack", "end"] == let_go
    let_go.clear()
    await answered("HEAD")
    assert ["end"] == let_go
