"""An agent on the a2a-sdk: `python agent.py` prints its port and ends with stdin.

/stream /plain /rest /old   the same agent: streaming; not streaming; HTTP+JSON; protocol 0.3 at
                            the old well-known address. It does what the last line of a message says
GET  /seen                  {"messages": […], "cancelled": [task ids]}; with ?messages=2 or
                            ?cancelled=1 it answers once there are so many
POST /open                  lets every waiting task go on
POST /forget                nothing has been seen, and tasks wait again
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from a2a.helpers import (
    new_data_part,
    new_task_from_user_message,
    new_text_message,
    new_text_part,
    new_url_part,
)
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import (
    create_agent_card_routes,
    create_jsonrpc_routes,
    create_rest_routes,
)
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route

CHUNKS = ("Three ", "little ", "pieces ", "of 🎉.")


@dataclass
class Seen:
    """What was asked of the agent; `changed` wakes whoever waits for more."""

    messages: list[Any] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def note(self, where: list[Any], what: Any) -> None:
        async with self.changed:
            where.append(what)
            self.changed.notify_all()

    async def as_dict(self, query: dict[str, int]) -> dict[str, Any]:
        def enough() -> bool:
            return all(len(getattr(self, name)) >= count for name, count in query.items())

        async with self.changed:
            await self.changed.wait_for(enough)
        return {"messages": self.messages, "cancelled": self.cancelled}


class Executor(AgentExecutor):
    """Plays what it is told to."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        assert context.message is not None
        await self._seen.note(self._seen.messages, MessageToDict(context.message))
        told = context.get_user_input().splitlines()[-1]
        if told == "message":
            reply = new_text_message("just a message", context_id=context.context_id)
            await event_queue.enqueue_event(reply)
            return
        known = context.current_task is not None
        task = context.current_task or new_task_from_user_message(context.message)
        if not known:
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        if known:
            await self._write(updater, f"you said: {told}")
            await updater.complete()
        else:
            await getattr(self, told)(updater)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        await self._seen.note(self._seen.cancelled, context.task_id)
        assert context.task_id and context.context_id
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()

    async def write(self, updater: TaskUpdater) -> None:
        await self._say(updater, "looking it up")
        for number, chunk in enumerate(CHUNKS):
            await self._write(updater, chunk, append=number > 0, last=chunk is CHUNKS[-1])
        await updater.complete()

    async def gated(self, updater: TaskUpdater) -> None:
        await self._say(updater, "waiting")
        await self._write(updater, "before ")
        await self._seen.gate.wait()
        await self._write(updater, "after", append=True, last=True)
        await updater.complete()

    async def two(self, updater: TaskUpdater) -> None:
        await self._write(updater, "first", name="a", last=True)
        await self._write(updater, "second", name="b", last=True)
        await updater.complete(self._message(updater, "and done"))

    async def parts(self, updater: TaskUpdater) -> None:
        await updater.add_artifact(
            [
                new_text_part("See:"),
                new_data_part({"n": 1}),
                new_url_part("https://files.example/report.pdf", filename="report.pdf"),
            ]
        )
        await updater.complete()

    async def ask(self, updater: TaskUpdater) -> None:
        await updater.requires_input(self._message(updater, "Which colour?"))

    async def auth(self, updater: TaskUpdater) -> None:
        await updater.requires_auth(self._message(updater, "sign in at example.com"))

    async def fail(self, updater: TaskUpdater) -> None:
        await self._write(updater, "half of ")
        await updater.failed(self._message(updater, "the disk is full"))

    async def reject(self, updater: TaskUpdater) -> None:
        await updater.reject(self._message(updater, "not my job"))

    async def give_up(self, updater: TaskUpdater) -> None:
        await updater.cancel(self._message(updater, "changed my mind"))

    async def nothing(self, updater: TaskUpdater) -> None:
        await updater.complete()

    async def _say(self, updater: TaskUpdater, text: str) -> None:
        await updater.start_work(self._message(updater, text))

    async def _write(
        self,
        updater: TaskUpdater,
        text: str,
        *,
        name: str = "answer",
        append: bool = False,
        last: bool = False,
    ) -> None:
        await updater.add_artifact(
            [new_text_part(text)], artifact_id=name, append=append, last_chunk=last
        )

    def _message(self, updater: TaskUpdater, text: str) -> Any:
        return updater.new_agent_message([new_text_part(text)])


def _card(url: str, binding: str, *, streaming: bool) -> AgentCard:
    return AgentCard(
        name="Scripted",
        description="does as told",
        version="1",
        supported_interfaces=[
            AgentInterface(url=url, protocol_binding=binding, protocol_version="1.0")
        ],
        capabilities=AgentCapabilities(streaming=streaming),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
    )


def _old_card(url: str) -> dict[str, Any]:
    return {
        "name": "Scripted",
        "description": "does as told",
        "version": "1",
        "protocolVersion": "0.3.0",
        "url": url,
        "preferredTransport": "JSONRPC",
        "capabilities": {"streaming": True},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [],
    }


def _agent(path: str, base: str, seen: Seen) -> Mount:
    url = f"{base}/{path}/rpc"
    binding = "HTTP+JSON" if path == "rest" else "JSONRPC"
    card = _card(url, binding, streaming=path != "plain")
    handler = DefaultRequestHandler(Executor(seen), InMemoryTaskStore(), card)
    routes: list[BaseRoute] = []
    if path == "old":

        async def old_card(_: Request) -> JSONResponse:
            return JSONResponse(_old_card(url))

        routes.append(Route("/.well-known/agent.json", old_card))
        routes += create_jsonrpc_routes(handler, "/rpc", enable_v0_3_compat=True)
    else:
        routes += create_agent_card_routes(card)
        if path == "rest":
            routes += create_rest_routes(handler, path_prefix="/rpc")
        else:
            routes += create_jsonrpc_routes(handler, "/rpc")
    return Mount(f"/{path}", routes=routes)


def _app(base: str) -> Starlette:
    seen = Seen()

    async def tell(request: Request) -> JSONResponse:
        return JSONResponse(
            await seen.as_dict({name: int(n) for name, n in request.query_params.items()})
        )

    async def open_gate(_: Request) -> JSONResponse:
        seen.gate.set()
        return JSONResponse({})

    async def forget(_: Request) -> JSONResponse:
        seen.messages.clear()
        seen.cancelled.clear()
        seen.gate.clear()
        return JSONResponse({})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        print(base, flush=True)
        yield

    agents = [_agent(path, base, seen) for path in ("stream", "plain", "rest", "old")]
    control = [
        Route("/seen", tell),
        Route("/open", open_gate, methods=["POST"]),
        Route("/forget", forget, methods=["POST"]),
    ]
    return Starlette(routes=[*control, *agents], lifespan=lifespan)


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(_app(base), log_level="error", timeout_graceful_shutdown=1)
        )

        def end_with_stdin() -> None:
            sys.stdin.read()
            server.should_exit = True

        threading.Thread(target=end_with_stdin, daemon=True).start()
        asyncio.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main()
