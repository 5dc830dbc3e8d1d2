"""What goes to a language model and what comes back, whoever serves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ChatRole = Literal["system", "user", "assistant", "tool", "function"]


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of the context given to a model. `whole` is the turn in OpenAI's form where it has
    more than a text: images, tool calls, their results."""

    role: ChatRole
    content: str
    whole: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters; None leaves the choice to the model's server."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One completion: `model` is the slug the hub knows it by. `options` are further fields of
    OpenAI's request, such as tools, for servers that take them."""

    model: str
    messages: tuple[ChatMessage, ...]
    sampling: Sampling = Sampling()
    options: Mapping[str, Any] = field(default_factory=dict)

    def prompt_tokens(self) -> int:
        """About how many tokens it asks the model to read."""
        return estimate_tokens("\n".join(m.content for m in self.messages))


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the reply, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class OtherDelta:
    """What a piece of a reply carries beside text, in OpenAI's form: tool calls, reasoning. Comes
    only where `ChatRequest.options` asked for it."""

    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens counted by the server, or `estimated` by the hub when it did not say; `cost` where
    the model has a price."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False
    cost: float | None = None

    def as_dict(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "estimated": self.estimated,
        }
        return said if self.cost is None else said | {"cost": self.cost}


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of a reply: `stop`, `length`, `content_filter`, …; always the last part. Without
    `usage` the hub estimates it. `model` is the slug that answered, perhaps a fallback."""

    reason: str
    usage: Usage | None = None
    model: str | None = None


ChatPart = TextDelta | OtherDelta | Finish


def estimate_tokens(text: str) -> int:
    """Tokens of a text by the rule of thumb of four bytes each, at least 1 for any text: letters of
    other scripts are two or three bytes, and take more tokens."""
    return (len(text.encode(errors="surrogatepass")) + 3) // 4
