"""Agents over HTTP: their cards found and kept, their operations called."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx

from hub.core.errors import Backend
from hub.core.values import Json
from hub.models.sse import SseDecoder, SseTooLong
from workers.drivers.a2a_card import Interface, interface_of
from workers.drivers.a2a_http import Answer, Bounds, Refused, open_answer
from workers.drivers.a2a_wire import News, Operation, call, error_text, news_of, read_json

WELL_KNOWN = ("/.well-known/agent-card.json", "/.well-known/agent.json")
_JSON = "application/json"
_NOT_HERE = (404, 405, 410)


class RpcError(Backend):
    """The agent understood the call and refused it; `number` is the JSON-RPC code, if any."""

    def __init__(self, message: str, number: int | None) -> None:
        super().__init__(message)
        self.number = number


class Agents:
    """The agents there are, each by its URL; a card is read again when it has grown old."""

    def __init__(
        self, client: httpx.AsyncClient, bounds: Bounds, clock: Callable[[], float]
    ) -> None:
        self._client = client
        self._bounds = bounds
        self._clock = clock
        self._cards: OrderedDict[str, tuple[float, Interface]] = OrderedDict()

    async def find(self, url: str) -> Agent:
        """Raises Backend when there is no agent."""
        kept = self._cards.get(url)
        if kept is None or self._clock() - kept[0] > self._bounds.card_age_s:
            kept = (self._clock(), await self._read_card(url))
            self._cards[url] = kept
            self._cards.move_to_end(url)
            while len(self._cards) > self._bounds.cards:
                self._cards.popitem(last=False)
        return Agent(self._client, kept[1], self._bounds)

    def forget(self, url: str) -> None:
        """Read the card anew the next time: it may have moved."""
        self._cards.pop(url, None)

    async def _read_card(self, url: str) -> Interface:
        bounds = self._bounds
        for place in _card_places(url):
            request = self._client.build_request("GET", place, headers={"Accept": _JSON})
            try:
                async with open_answer(self._client, request, bounds, bounds.answer_s) as answer:
                    return interface_of(read_json(await answer.whole(bounds.card_bytes)), place)
            except Refused as error:
                if error.http_status not in _NOT_HERE:
                    raise
        raise Backend("there is no agent card at the agent's URL")


class Agent:
    """One agent, spoken to as its card says."""

    def __init__(self, client: httpx.AsyncClient, interface: Interface, bounds: Bounds) -> None:
        self._client = client
        self.interface = interface
        self._bounds = bounds

    async def ask(self, operation: Operation, params: Json, *, within_s: float) -> News:
        """One call and its result. Raises Backend."""
        async with self._open(operation, params, within_s) as answer:
            return self._news(await answer.whole(self._bounds.max_bytes))

    async def stream(self, operation: Operation, params: Json) -> AsyncGenerator[News, None]:
        """What a streamed call brings, until the agent ends the stream. Raises Backend."""
        async with self._open(operation, params, self._bounds.idle_s) as answer:
            if not answer.streamed:
                yield self._news(await answer.whole(self._bounds.max_bytes))
                return
            async with aclosing(_events(answer)) as events:
                async for data in events:
                    yield self._news(data)

    @asynccontextmanager
    async def _open(
        self, operation: Operation, params: Json, within_s: float
    ) -> AsyncIterator[Answer]:
        interface = self.interface
        method, url, body = call(interface, operation, params)
        kind = _JSON if interface.binding == "JSONRPC" else "application/a2a+json"
        streams = operation in ("stream", "subscribe")
        request = self._client.build_request(
            method,
            url,
            content=None if body is None else json.dumps(body),
            headers={
                "Accept": "text/event-stream" if streams else kind,
                "Content-Type": kind,
                "A2A-Version": ".".join(interface.version.split(".")[:2]),
            },
        )
        async with open_answer(self._client, request, self._bounds, within_s) as answer:
            yield answer

    def _news(self, body: str | bytes) -> News:
        answer = read_json(body)
        error = answer.get("error")
        if error is not None:
            raise _rpc_error(error)
        return news_of(answer.get("result") if self.interface.binding == "JSONRPC" else answer)


async def _events(answer: Answer) -> AsyncGenerator[str, None]:
    decoder = SseDecoder()
    async with aclosing(answer.pieces()) as pieces:
        async for piece in pieces:
            try:
                events = decoder.feed(piece)
            except SseTooLong as error:
                raise Backend(f"the agent sent {error}") from None
            for event in events:
                yield event.data


def _card_places(url: str) -> list[str]:
    """Where the card of an agent may be; the URL may be that of the card itself."""
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL:
        raise Backend("the agent's URL is not valid") from None
    if base.path.endswith(".json"):
        return [url]
    path = base.path.rstrip("/")
    return [str(base.copy_with(path=path + known)) for known in WELL_KNOWN]


def _rpc_error(error: Any) -> RpcError:
    number = error.get("code") if isinstance(error, Mapping) else None
    number = number if isinstance(number, int) else None
    said = error_text(error) or "no reason given"
    return RpcError(f"the agent answered with an error: {said}", number)
