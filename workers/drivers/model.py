"""The `model` driver: a language model of the registry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from hub.core.invoking import Invocation, Part
from hub.models.base import open_stream
from hub.models.registry import ModelRegistry


class ModelDriver:
    """`Driver` on the model registry."""

    def __init__(self, models: ModelRegistry) -> None:
        self._models = models

    def invoke(self, invocation: Invocation) -> AbstractAsyncContextManager[AsyncIterator[Part]]:
        chat = invocation.chat
        return open_stream(self._models.backend(chat.model), chat)

    async def abandon(self, invocation: Invocation) -> None:
        """A model never leaves a run waiting."""
