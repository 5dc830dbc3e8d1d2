"""Chat completions in OpenAI's shapes: the request that is taken, the answers that are given.

https://platform.openai.com/docs/api-reference/chat. Fields that the hub does not know are passed on
to the model's server as they are; what it could not give back is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from hub.core.chat import ChatMessage, ChatRequest, OtherDelta, Sampling, Usage
from hub.core.errors import Backend, HubError
from hub.core.values import Json
from hub.wire.bodies import At, Body
from hub.wire.requests import Stops

MESSAGES: Final = 5_000
_WRONG: Final = frozenset({400, 413, 422})
_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def _one(value: int | None) -> int | None:
    if value not in (None, 1):
        raise ValueError("must be 1: ask again for another answer")
    return value


class _Open(Body):
    """A part of a request in which there may be more than the hub knows."""

    model_config = ConfigDict(extra="allow")


class Turn(_Open):
    """One message."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Any = None

    @field_validator("content")
    @classmethod
    def _is_content(cls, value: Any) -> Any:
        if value is None or isinstance(value, str):
            return value
        if not isinstance(value, list) or not value or not all(map(_is_part, value)):
            raise ValueError("must be a text, or a list of parts such as {type: text, text: …}")
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Turn:
        if self.content is None and self.role != "assistant":
            raise At("content", f"is required in a message of the role {self.role}")
        return self

    def message(self) -> ChatMessage:
        """As a model is given it; whole where it has more than its text."""
        role = "system" if self.role == "developer" else self.role
        more = dict(self.model_extra or {})
        if isinstance(self.content, str) and not more:
            return ChatMessage(role, self.content)
        parts = self.content if isinstance(self.content, list) else []
        text = "\n".join(part["text"] for part in parts if part["type"] == "text")
        if parts and not more and all(part["type"] == "text" for part in parts):
            return ChatMessage(role, text)
        shown = self.content if isinstance(self.content, str) else text
        return ChatMessage(role, shown, {"role": role, "content": self.content} | more)


def _is_part(part: object) -> bool:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        return False
    return part["type"] != "text" or isinstance(part.get("text"), str)


class StreamOptions(_Open):
    include_usage: bool = False


class CompletionBody(_Open):
    """`POST /v1/chat/completions`."""

    model: Annotated[str, Field(min_length=1, max_length=200)]
    messages: Annotated[list[Turn], Field(min_length=1, max_length=MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    stop: Stops | None = None
    n: Annotated[int | None, AfterValidator(_one)] = None
    logprobs: Literal[False] | None = None
    modalities: list[Literal["text"]] | None = None

    @model_validator(mode="after")
    def _options_are_for_streams(self) -> CompletionBody:
        if self.stream_options is not None and not self.stream:
            raise At("stream_options", "is only for stream: true")
        return self

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    def request(self, model: str, persona: Mapping[str, Any]) -> ChatRequest:
        """What `model` is asked, with what a persona's driver says where the caller does not."""
        messages = [turn.message() for turn in self.messages]
        if prompt := persona.get("system_prompt"):
            own = messages.pop(0).content if messages[0].role == "system" else ""
            messages.insert(0, ChatMessage("system", f"{prompt}\n\n{own}".strip()))
        most = self.max_completion_tokens or self.max_tokens or persona.get("max_tokens")
        warmth = self.temperature if self.temperature is not None else persona.get("temperature")
        sampling = Sampling(most, warmth, self.top_p, tuple(self.stop or ()))
        options = {n: v for n, v in (self.model_extra or {}).items() if v is not None}
        return ChatRequest(model, tuple(messages), sampling, options)


class Shapes:
    """The answers to one request; `head` is what all its pieces share."""

    def __init__(self, completion_id: str, created: int, model: str, *, usage: bool) -> None:
        self._head = {"id": completion_id, "created": created, "model": model}
        self._usage: Json = {"usage": None} if usage else {}

    def chunk(self, delta: Mapping[str, Any], reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._chunk([choice]) | self._usage

    def last(self, usage: Usage) -> Json:
        """The chunk after all choices, for who asked for usage."""
        return self._chunk([]) | {"usage": usage_of(usage)}

    def _chunk(self, choices: list[Json]) -> Json:
        return {**self._head, "object": "chat.completion.chunk", "choices": choices}

    def whole(self, message: Json, reason: str, usage: Usage) -> Json:
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        return {
            **self._head, "object": "chat.completion", "choices": [choice],
            "usage": usage_of(usage),
        }  # fmt: skip


def usage_of(usage: Usage) -> Json:
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    return {
        "prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }  # fmt: skip


def message_of(text: str, others: Iterable[OtherDelta]) -> Json:
    """The message that the pieces of a reply make together."""
    message: Json = {"role": "assistant", "content": text, "refusal": None}
    for other in others:
        for name, value in other.fields.items():
            message[name] = _joined(message.get(name), value)
    if not text and (message.get("tool_calls") or message.get("function_call")):
        message["content"] = None
    for call in message.get("tool_calls", ()):
        call.pop("index", None)
    return message


def _joined(before: Any, piece: Any) -> Any:
    """Texts one after the other, objects by their fields, tool calls by their index."""
    if before is None:
        return _joined([], piece) if isinstance(piece, list) else piece
    if isinstance(before, str) and isinstance(piece, str):
        return before + piece
    if isinstance(before, dict) and isinstance(piece, dict):
        return before | {name: _field(name, before.get(name), v) for name, v in piece.items()}
    if isinstance(before, list) and isinstance(piece, list):
        calls = {call.get("index", i): call for i, call in enumerate(before)}
        for each in piece:
            index = each.get("index", len(calls))
            calls[index] = _joined(calls.get(index), each)
        return list(calls.values())
    return piece


def _field(name: str, before: Any, piece: Any) -> Any:
    """Ids and types are said once, or the same again."""
    return piece if name in ("id", "type", "index") else _joined(before, piece)


def error_of(error: HubError) -> tuple[int, Json]:
    """The HTTP status and the `error` object, as OpenAI's SDKs read them."""
    status = error.status
    if status == 422 or (isinstance(error, Backend) and error.answered in _WRONG):
        status = 400  # the caller's request is at fault, also when the model's server says so
    kind = "server_error" if status >= 500 else _TYPES.get(status, "invalid_request_error")
    if error.code == "BUDGET_EXCEEDED":
        kind = "insufficient_quota"
    param = error.details[0].field if error.details else None
    return status, {"message": error.message, "type": kind, "param": param, "code": error.code}
