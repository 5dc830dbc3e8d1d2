"""Starts `hook_endpoint.py` as a process of its own, asks it what it has seen, and makes the
invocations that call it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from hub.core.chat import ChatMessage, ChatRequest
from hub.core.invoking import Invocation
from hub.core.values import Author, Message, Run
from tests.models.server import ModelServer

ROOT = Path(__file__).parents[3]
SECRETS = tuple("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (7, 8))
TOKEN = "rt_0123456789abcdefghij"
ALICE = Author("user_alice", "user", "alice", "Alice")
BOT = Author("bot_helper", "bot", "helper", "Hélper")


class HookServer(ModelServer):
    """A running endpoint, which counts and tells as a model server does."""

    __slots__ = ()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, behaviour: str, **query: object) -> str:
        return f"http://{self.address}/hook/{behaviour}?{urlencode(query)}"

    def answer(self, body: object, **query: object) -> str:
        """Answers this, as JSON unless it is text; packed, as a URL has a limit."""
        text = body if isinstance(body, str) else json.dumps(body)
        packed = base64.urlsafe_b64encode(zlib.compress(text.encode())).decode()
        return self.url("say", zip=packed, **query)

    def stream(self, *frames: object) -> str:
        """Answers with these server-sent events, and no more."""
        return self.answer(events(*frames), kind="text/event-stream")

    async def requests(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.sent())["requests"]
        return found


def events(*frames: object) -> str:
    texts = (f if isinstance(f, str) else json.dumps(f, ensure_ascii=False) for f in frames)
    return "".join(f"data: {text}\n\n" for text in texts)


@contextmanager
def run_hook_server() -> Iterator[HookServer]:
    """The endpoint on a free port; it ends with the block, and with this process if that dies."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.workers.drivers.hook_endpoint"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        try:
            assert process.stdout is not None
            port, seed = process.stdout.readline().split()
            yield HookServer(int(port), int(seed))
        finally:
            process.kill()


def invocation(url: str, secrets: tuple[str, ...] = SECRETS) -> Invocation:
    """A mention of a webhook's bot, by Alice."""
    said = Message(
        "msg_1",
        "room_1",
        4,
        None,
        ALICE,
        "@helper can you look? 👀",
        (BOT.ref(),),
        1_700_000_000_000,
    )
    run = Run(
        "run_01", "ten_1", "room_1", BOT.id, said.id, 0, said.id, "running", None, 1, 1, said.id,
        "msg_2", 1_700_000_000_500,
    )  # fmt: skip
    chat = ChatRequest("", (ChatMessage("system", "be kind"), ChatMessage("user", "Alice: hi")))
    return Invocation(
        run=run,
        participant=BOT,
        driver={"kind": "webhook", "url": url},
        room={"id": "room_1", "name": "Launch"},
        message=said,
        thread=(said,),
        chat=chat,
        deadline_s=60.0,
        reply_url="https://hub.example/v1/runs/run_01/reply",
        token=TOKEN,
        secrets=secrets,
    )
