"""Stateless chat completions: nothing is stored but what was used."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from hub.core.chat import ChatPart, ChatRequest, Finish, OtherDelta, TextDelta, Usage
from hub.core.errors import Backend, Missing
from hub.core.models import Price, priced
from hub.core.values import Actor, Json
from hub.models.base import ModelBackend, open_stream
from hub.parts import Parts
from hub.wire.completions import CompletionBody


@asynccontextmanager
async def open_completion(
    parts: Parts, actor: Actor, body: CompletionBody
) -> AsyncIterator[AsyncIterator[ChatPart]]:
    """The parts of the answer. Leaving the block, however it is left, closes the request to the
    model's server and counts what was used. Raises MODEL_NOT_FOUND, BUDGET_EXCEEDED."""
    backend, request, price = await _answerer(parts, actor, body)
    await parts.usage.admit(actor)
    meter = _Meter(request, price)
    try:
        async with open_stream(backend, request) as stream:
            yield meter.read(stream)
    finally:
        ms = int((time.monotonic() - meter.began_s) * 1000)
        parts.usage.count(actor, meter.model, meter.usage(), ms)


async def _answerer(
    parts: Parts, actor: Actor, body: CompletionBody
) -> tuple[ModelBackend, ChatRequest, Price | None]:
    """Who answers for a model, or for a persona by its id."""
    registry = await parts.models.of(actor.tenant_id)
    slug, driver = body.model, {}
    if registry.get(slug) is None and slug.startswith("persona_"):
        driver = await _driver(parts, actor, slug)
        slug = driver.get("model", slug)
    entry = registry.get(slug)
    if entry is None:
        raise Missing(f"there is no model {body.model}; see GET /v1/models", code="MODEL_NOT_FOUND")
    return registry.backend(slug), body.request(slug, driver), entry.price


async def _driver(parts: Parts, actor: Actor, persona_id: str) -> Json:
    """How a persona in use is driven, if a model drives it."""
    persona = await parts.store.participants.get(actor.tenant_id, persona_id)
    if persona is None or persona.disabled_ms is not None or persona.driver is None:
        return {}
    return persona.driver if persona.driver["kind"] == "model" else {}


class _Meter:
    """Reads a stream and knows what it has cost so far."""

    def __init__(self, request: ChatRequest, price: Price | None) -> None:
        self.model = request.model
        self.began_s = time.monotonic()
        self._request = request
        self._price = price
        self._asked = False
        self._bytes = 0
        self._counted: Usage | None = None

    async def read(self, stream: AsyncIterator[ChatPart]) -> AsyncGenerator[ChatPart, None]:
        self._asked = True
        try:
            async for part in stream:
                self._see(part)
                yield part
        except Backend:
            self._asked = self._bytes > 0  # who fails before the first word costs nothing
            raise

    def _see(self, part: ChatPart) -> None:
        if isinstance(part, Finish):
            self._counted = part.usage
            self.model = part.model or self.model
        elif isinstance(part, TextDelta):
            self._bytes += len(part.text.encode())
        elif isinstance(part, OtherDelta):
            self._bytes += len(str(part.fields).encode())

    def usage(self) -> Usage:
        """What the model's server counted, else an estimate of what it was made to do."""
        if self._counted is not None:
            return self._counted
        prompt = self._request.prompt_tokens() if self._asked else 0
        return priced(Usage(prompt, (self._bytes + 3) // 4, estimated=True), self._price)
