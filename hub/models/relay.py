"""One model as it is asked: its keys in turns, again when that may help, then its fallbacks.

All of that happens before the first visible piece of a reply; what fails after it, fails.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final

from hub.core.chat import ChatPart, ChatRequest, Finish
from hub.core.errors import Backend, BackendTimeout, ModelUnavailable
from hub.core.models import Price, priced
from hub.models.base import ModelBackend, open_stream
from hub.models.keys import OF_THE_KEY, KeyRing

WAIT_MOST_S: Final = 2.0
PAUSE_S: Final = 0.2
OF_THE_REQUEST: Final = frozenset({400, 413, 422})
OUTCOMES: Final = ("ok", "error", "timeout", "unavailable", "cancelled")
_NAMES: Final = {"BACKEND_TIMEOUT": "timeout", "MODEL_UNAVAILABLE": "unavailable"}
Sleep = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer: `serve` makes its backend for a key. Without a `ring` it is a
    builtin one. `lacks` says which key is not set, if one is needed; `outcomes` counts what came of
    requests."""

    slug: str
    serve: Callable[[str | None], ModelBackend]
    context_window: int
    max_output_tokens: int
    ring: KeyRing
    retries: int = 0
    price: Price | None = None
    lacks: str | None = None
    outcomes: Counter[str] = field(default_factory=Counter)

    def holds(self, request: ChatRequest) -> bool:
        """Whether the prompt is short enough for its window."""
        return request.prompt_tokens() < self.context_window

    def fitted(self, request: ChatRequest) -> ChatRequest:
        """The request with the bound of its reply within what this model can write."""
        asked = request.sampling.max_tokens
        if asked is None or asked <= self.max_output_tokens:
            return request
        sampling = replace(request.sampling, max_tokens=self.max_output_tokens)
        return replace(request, sampling=sampling)

    def succeeded(self, key: str | None) -> None:
        """It has answered to its end."""
        self.outcomes["ok"] += 1
        self.ring.succeeded(key)

    def priced(self, finish: Finish) -> Finish:
        usage = priced(finish.usage, self.price) if finish.usage else None
        return replace(finish, usage=usage, model=self.slug)


class Relay:
    """A `ModelBackend` of a model and its fallbacks. What is raised when nobody answers is what
    the first of them said."""

    def __init__(self, candidates: Sequence[Candidate], sleep: Sleep = asyncio.sleep) -> None:
        self._candidates = candidates
        self._sleep = sleep

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatPart, None]:
        """See `ModelBackend`."""
        first, *others = self._candidates
        able = [first, *(other for other in others if other.holds(request))]
        failure: Backend | None = None
        for candidate in able:
            asking = _Asking(candidate, self._sleep)
            async with aclosing(asking.parts(request)) as parts:
                async for part in parts:
                    yield part
            if asking.failure is None:
                return
            failure = failure or asking.failure
            if failure.answered in OF_THE_REQUEST:
                break
        assert failure is not None
        raise failure


class _Asking:
    """One candidate asked until it answers; `failure` is why it did not."""

    def __init__(self, candidate: Candidate, sleep: Sleep) -> None:
        self._candidate = candidate
        self._sleep = sleep
        self._tried: set[str | None] = set()
        self._retries = candidate.retries
        self.failure: Backend | None = None

    async def parts(self, request: ChatRequest) -> AsyncGenerator[ChatPart, None]:
        """The reply; nothing when there was a `failure`. Raises Backend after the first piece."""
        candidate = self._candidate
        if candidate.lacks:
            self.failure = ModelUnavailable(candidate.lacks)
            return
        fitted = candidate.fitted(request)
        while True:
            key = candidate.ring.take(self._tried)
            self._tried.add(key)
            seen = finished = False
            try:
                async with open_stream(candidate.serve(key), fitted) as parts:
                    async for part in parts:
                        seen = True
                        if isinstance(part, Finish):  # nobody may ask for more
                            finished, part = True, candidate.priced(part)
                            candidate.succeeded(key)
                        yield part
                self.failure = None
                return
            except (asyncio.CancelledError, GeneratorExit):
                candidate.outcomes["cancelled"] += not finished
                raise
            except Backend as error:
                candidate.outcomes[_NAMES.get(error.code, "error")] += 1
                if seen:
                    raise
                self.failure = error
                candidate.ring.failed(key, error)
            wait_s = self._wait_s(self.failure)
            if wait_s is None:
                return
            await self._sleep(wait_s)

    def _wait_s(self, error: Backend) -> float | None:
        """How long to wait before asking again; None when that would not help."""
        if error.answered in OF_THE_KEY and len(self._tried) < len(self._candidate.ring):
            return 0.0
        soon = error.retry_after if error.retry_after is not None else PAUSE_S
        may_pass = error.transient and not isinstance(error, BackendTimeout)
        if not may_pass or soon > WAIT_MOST_S or not self._retries:
            return None
        self._retries -= 1
        self._tried.clear()
        return soon
