"""A chat completion read piece by piece into our parts, tolerant of servers' dialects. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

from hub.core.chat import (
    ChatRequest,
    Finish,
    OtherDelta,
    TextDelta,
    Usage,
)
from hub.core.errors import Backend
from hub.models.faults import excerpt, reported
from hub.models.sse import SseDecoder, SseEvent, SseTooLong

DONE = "[DONE]"
_MAX_REASON_CHARS = 40
_MAX_TOKENS = 2**31 - 1
_BESIDE_TEXT = ("tool_calls", "function_call", "refusal", "reasoning_content", "reasoning")
Delta = TextDelta | OtherDelta


class CompletionReader:
    """Frames of `chat.completion.chunk`, or one whole `chat.completion`, in; deltas out. What a
    delta has beside text is read only for a request with options.

    `done` after the server's end mark, `finished` once it gave a reason to finish.
    """

    def __init__(self, request: ChatRequest, secret: str | None = None) -> None:
        self._request = request
        self._secret = secret
        self._reason: str | None = None
        self._usage: Usage | None = None
        self._bytes = 0
        self._half = ""
        self.done = False

    @property
    def finished(self) -> bool:
        return self.done or self._reason is not None

    def event(self, event: SseEvent) -> list[Delta]:
        """The text of one server-sent event. Raises Backend for an error or an unreadable one."""
        data = event.data.strip()
        if self.done or data == DONE:
            self.done = True
            return []
        if event.event == "error":
            raise self._failed(*self._error_text(data))
        return self._body(self._parse(data), "delta") if data else []

    def whole(self, body: str) -> list[Delta]:
        """The text of an answer that was not streamed; it is complete with that."""
        answer = self._parse(body)
        texts = self._body(answer, "message")
        if not _first_choice(answer):
            raise Backend(f"the model server sent no choices: {self._safe(body)}")
        self.done = True
        return texts

    def finish(self) -> list[TextDelta | Finish]:
        """The last parts; usage is estimated when the server did not count. Raises Backend when
        the answer stopped before it was complete."""
        if not self.finished:
            raise Backend(
                "the model server ended its answer before it was complete", transient=True
            )
        half, self._half = self._half, ""
        last = self._delta(half)
        return [*last, Finish(self._reason or "stop", self._usage or self._estimated())]

    def _body(self, body: Mapping[str, Any], field: str) -> list[Delta]:
        error = reported(body)
        if error is not None:
            raise self._failed(*error)
        self._usage = _usage(body.get("usage")) or self._usage
        choice = _first_choice(body)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self._reason = reason[:_MAX_REASON_CHARS]
        turn = choice.get(field)
        if not isinstance(turn, Mapping):
            return []
        return [*self._beside(turn), *self._text(_content(turn.get("content")))]

    def _beside(self, turn: Mapping[str, Any]) -> list[OtherDelta]:
        if not self._request.options:
            return []
        fields = {name: turn[name] for name in _BESIDE_TEXT if turn.get(name)}
        if not fields:
            return []
        text = _paired(json.dumps(fields, ensure_ascii=False))
        self._bytes += len(text.encode())
        return [OtherDelta(_numbered(json.loads(text)))]

    def _text(self, text: str) -> list[TextDelta]:
        """A delta that any database and any UTF-8 wire takes.

        JSON may carry half of a surrogate pair; a first half waits for the second.
        """
        text = self._half + text
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return self._delta(text[: len(text) - len(self._half)])

    def _delta(self, text: str) -> list[TextDelta]:
        if not text:
            return []
        paired = _paired(text)
        self._bytes += len(paired.encode())
        return [TextDelta(paired.replace("\0", "\ufffd"))]

    def _parse(self, data: str) -> Mapping[str, Any]:
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            text = self._safe(data)
            raise Backend(f"the model server sent something unreadable: {text}", transient=True)
        return body

    def _error_text(self, data: str) -> tuple[str, bool]:
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            return data, True
        if not isinstance(body, dict):
            return data, True
        return reported(body) or reported({"error": body}) or (data, True)

    def _failed(self, text: str, transient: bool) -> Backend:
        return Backend(
            f"the model server reported an error: {self._safe(text)}", transient=transient
        )

    def _safe(self, text: str) -> str:
        return excerpt(text, self._secret)

    def _estimated(self) -> Usage:
        return Usage(self._request.prompt_tokens(), (self._bytes + 3) // 4, estimated=True)


class EventStream:
    """The bytes of a `text/event-stream` answer, read into `reader`."""

    def __init__(self, reader: CompletionReader) -> None:
        self._reader = reader
        self._decoder = SseDecoder()

    def feed(self, data: bytes) -> list[Delta]:
        """The text these bytes complete. Raises Backend."""
        try:
            events = self._decoder.feed(data)
        except SseTooLong as error:
            raise Backend(f"the model server sent {error}") from error
        return self._read(events)

    def end(self) -> list[Delta]:
        """The text of an event the server did not close; a torn one after the finish is dropped."""
        try:
            return self._read(self._decoder.end())
        except Backend:
            if self._reader.finished:
                return []
            raise

    def _read(self, events: list[SseEvent]) -> list[Delta]:
        return [delta for event in events for delta in self._reader.event(event)]


class WholeBody:
    """The bytes of an `application/json` answer: nothing until the end, then all of it."""

    def __init__(self, reader: CompletionReader) -> None:
        self._reader = reader
        self._body = bytearray()

    def feed(self, data: bytes) -> list[Delta]:
        self._body += data
        return []

    def end(self) -> list[Delta]:
        return self._reader.whole(self._body.decode("utf-8-sig", "replace"))


def _first_choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = body.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and choice.get("index") in (0, None):
            return choice
    return {}


def _content(content: object) -> str:
    """Text given as a string or as parts `{"type": "text", "text": …}`; null is no text."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, Mapping))
    return "".join(text for text in texts if isinstance(text, str))


def _numbered(fields: dict[str, Any]) -> dict[str, Any]:
    """Tool calls with their index, which an answer that was not streamed leaves out."""
    calls = fields.get("tool_calls")
    if isinstance(calls, list):
        named = [call for call in calls if isinstance(call, dict)]
        fields["tool_calls"] = [{"index": i, **call} for i, call in enumerate(named)]
    return fields


def _paired(text: str) -> str:
    """Halves of surrogate pairs joined, or replaced by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _usage(usage: object) -> Usage | None:
    if not isinstance(usage, Mapping):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return Usage(prompt, completion) if _is_count(prompt) and _is_count(completion) else None


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_TOKENS
