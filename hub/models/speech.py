"""How a builtin model speaks: a ready text, cut to what was asked for, word by word."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable

from hub.core.chat import (
    ChatPart,
    ChatRequest,
    Finish,
    Sampling,
    TextDelta,
    Usage,
    estimate_tokens,
)

Sleep = Callable[[float], Awaitable[object]]

_WORD = re.compile(r"\s*\S+\s*|\s+")
_CHARS_PER_TOKEN = 4


async def speak(
    text: str, request: ChatRequest, *, delay_s: float = 0.0, sleep: Sleep = asyncio.sleep
) -> AsyncGenerator[ChatPart, None]:
    """`text` as a reply to `request`, with `delay_s` before every word; usage is estimated."""
    text, reason = cut(text, request.sampling)
    for word in _WORD.findall(text):
        await sleep(delay_s)
        yield TextDelta(word)
    yield Finish(reason, Usage(request.prompt_tokens(), estimate_tokens(text), estimated=True))


def cut(text: str, sampling: Sampling) -> tuple[str, str]:
    """The text up to the first stop sequence and at most `max_tokens`, and the finish reason."""
    stops = [at for stop in sampling.stop if stop and (at := text.find(stop)) >= 0]
    text = text[: min(stops, default=len(text))]
    if sampling.max_tokens is None or estimate_tokens(text) <= sampling.max_tokens:
        return text, "stop"
    return text[: max(sampling.max_tokens, 0) * _CHARS_PER_TOKEN], "length"


def last_user_text(request: ChatRequest) -> str:
    """What was said last by somebody else than the model; "" when nobody spoke."""
    turns = (m.content for m in reversed(request.messages) if m.role == "user")
    return next(turns, "")
