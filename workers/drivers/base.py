"""The port every driver is behind: it is asked once and yields what comes. It never sees the
store or the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from hub.core.errors import Backend
from hub.core.invoking import Invocation, Part


class Gone(Backend):
    """The other side says that it will never answer again: the participant is taken out of use."""


class Driver(Protocol):
    """A way to invoke a participant; one object serves any number of runs at a time."""

    def invoke(self, invocation: Invocation) -> AbstractAsyncContextManager[AsyncIterator[Part]]:
        """Yields `TextDelta`s (never empty), `Status` and `Remember` in any order, and last one
        `Ending`, after which nothing is asked for.

        Raises `Backend` or `BackendTimeout` when it fails; `transient` says that asking again may
        help, `retry_after` when (seconds). Leaving the context, however it is left, ends what was
        begun outside the hub, within a second.
        """

    async def abandon(self, invocation: Invocation) -> None:
        """End what a run that only waits (`Ask`, `Wait`) has begun outside the hub, as far as it
        can be; the run was cancelled. Raises nothing but `Backend`."""
