"""The `model` driver: a language model of the registry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub.core.chat import OtherDelta
from hub.core.invoking import Invocation, Part
from hub.models.base import open_stream
from hub.models.catalogue import ModelCatalogue


class ModelDriver:
    """`Driver` on the catalogue of models."""

    def __init__(self, models: ModelCatalogue) -> None:
        self._models = models

    @asynccontextmanager
    async def invoke(self, invocation: Invocation) -> AsyncIterator[AsyncIterator[Part]]:
        chat = invocation.chat
        registry = await self._models.of(invocation.run.tenant_id)
        async with open_stream(registry.backend(chat.model), chat) as parts:
            yield (part async for part in parts if not isinstance(part, OtherDelta))

    async def abandon(self, invocation: Invocation) -> None:
        """A model never leaves a run waiting."""
