"""What goes to a language model and what comes back, whoever serves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ChatRole = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of the context given to a model."""

    role: ChatRole
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters; None leaves the choice to the model's server."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One completion: `model` is the slug the hub knows it by."""

    model: str
    messages: tuple[ChatMessage, ...]
    sampling: Sampling = Sampling()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the reply, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens counted by the server, or `estimated` by the hub when it did not say."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of a reply: `stop`, `length`, `content_filter`, …; always the last part. Without
    `usage` the hub estimates it."""

    reason: str
    usage: Usage | None = None


ChatPart = TextDelta | Finish


def estimate_tokens(text: str) -> int:
    """Tokens of a text by the four-characters rule of thumb, at least 1 for any text."""
    return (len(text) + 3) // 4
