"""How the tests of models ask, and gather what is answered."""

from __future__ import annotations

from dataclasses import dataclass

from hub.core.chat import ChatMessage, ChatPart, ChatRequest, Finish, Sampling, TextDelta
from hub.models.base import ModelBackend, open_stream


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply: its deltas and its end."""

    deltas: tuple[str, ...]
    finish: Finish

    @property
    def text(self) -> str:
        return "".join(self.deltas)


def ask(text: str, sampling: Sampling | None = None) -> ChatRequest:
    return ChatRequest("any", (ChatMessage("user", text),), sampling or Sampling())


async def reply_of(backend: ModelBackend, request: ChatRequest | None = None) -> Reply:
    """Everything a backend yields, checked against the contract's order."""
    async with open_stream(backend, request or ask("hello there")) as parts:
        return whole([part async for part in parts])


def whole(parts: list[ChatPart]) -> Reply:
    *deltas, finish = parts
    assert isinstance(finish, Finish)
    texts = [delta.text for delta in deltas if isinstance(delta, TextDelta)]
    assert len(deltas) == len(texts)
    assert all(texts)
    return Reply(tuple(texts), finish)
