"""What a webhook answers, read into our parts. Pure.

A whole answer is one JSON object with `content`, `silence` or `escalate`; a stream is server-sent
events with `text`, `status`, chunks of chat completions, or one `silence` or `escalate` instead of
any text, and ends with `[DONE]`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from hub.core.chat import ChatRequest, Finish, TextDelta, Usage
from hub.core.errors import Backend
from hub.core.invoking import Ending, Escalate, Part, Silence, Status
from hub.core.text import CONTENT_BYTES, content_fault
from hub.models.completion import DONE, CompletionReader
from hub.models.faults import excerpt, is_transient, reported, retry_after_s
from hub.models.sse import SseDecoder, SseEvent, SseTooLong
from workers.drivers.base import Gone

Safe = Callable[[str], str]
"""Makes a short printable line of the other side's text, without secrets."""

STATUS_CHARS: Final = 200
_ENDS: Final = ("content", "silence", "escalate")
_MAX_TOKENS: Final = 2**31 - 1


def refusal(status: int, headers: Mapping[str, str], said: str, now: datetime) -> Backend:
    """The error of a status that is no answer; `said` is an excerpt already made safe."""
    if status == 410:
        return Gone("the webhook says that it is gone for good (HTTP 410)")
    if 300 <= status < 400:
        return Backend(f"the webhook redirects, which is not followed (HTTP {status})")
    detail = f": {said}" if said else ""
    if status < 300:
        detail = ", which is none of 200, 202 and 204"
    return Backend(
        f"the webhook answered with HTTP {status}{detail}",
        transient=is_transient(status),
        retry_after=retry_after_s(headers, now),
    )


def whole(body: bytes, safe: Safe) -> list[Part]:
    """The parts of an answer in JSON. Raises Backend with what is wrong about it."""
    try:
        answer = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise Backend(f"the webhook's answer is not JSON: {error}") from error
    if not isinstance(answer, dict):
        raise Backend("the webhook's answer is not a JSON object")
    _refuse_error(reported(answer), safe)
    ends = [name for name in _ENDS if answer.get(name) not in (None, False)]
    if len(ends) != 1:
        raise Backend("the webhook's answer must have one of content, silence and escalate")
    ending = _pause(answer)
    if ending is not None:
        return [ending]
    content = _content(answer, "content")
    return [TextDelta(content), Finish("stop", _usage(answer.get("usage")))]


class StreamReader:
    """The bytes of a `text/event-stream` in, cut anywhere; parts out, the ending last."""

    def __init__(self, chat: ChatRequest, safe: Safe) -> None:
        self._safe = safe
        self._decoder = SseDecoder()
        self._chunks = CompletionReader(chat)
        self._chunked = False
        self._text = _Text()
        self._usage: Usage | None = None
        self._ending: Ending | None = None
        self.done = False

    def feed(self, data: bytes) -> list[Part]:
        """The parts these bytes complete. Raises Backend. Once `done` only `end` is of use."""
        try:
            events = self._decoder.feed(data)
        except SseTooLong as error:
            raise Backend(f"the webhook sent {error}") from error
        return [part for event in events for part in self._event(event)]

    def end(self) -> list[Part]:
        """The last parts. Raises a transient Backend when the stream stopped before its end."""
        if not self.done:
            self._unclosed()
        if self._ending is not None:
            return [self._ending]
        parts: list[TextDelta | Finish] = (
            self._chunks.finish() if self._chunked else [Finish("stop")]
        )
        self._text.count("".join(part.text for part in parts if isinstance(part, TextDelta)))
        self._text.end()
        return [self._counted(part) for part in parts]

    def _unclosed(self) -> None:
        """Chunks are complete with a reason to finish, and `[DONE]` needs no blank line."""
        try:
            rest = self._decoder.end()
        except SseTooLong:
            rest = []
        for event in rest:
            if event.data.strip() == DONE:
                self._event(event)
        if not self.done and not (self._chunked and self._chunks.finished):
            raise Backend("the webhook's stream ended before `data: [DONE]`", transient=True)

    def _counted(self, part: TextDelta | Finish) -> TextDelta | Finish:
        """With the usage that was sent apart from chunks, if any was."""
        if self._usage is None or not isinstance(part, Finish):
            return part
        return Finish(part.reason, self._usage)

    def _event(self, event: SseEvent) -> list[Part]:
        data = event.data.strip()
        if self.done or not data:
            return []
        if data == DONE:
            self._chunks.event(event)
            self.done = True
            return []
        frame = _frame(data)
        if event.event == "error":
            _refuse_error(reported(frame or {}) or reported({"error": frame or data}), self._safe)
        if frame is None:
            raise Backend(f"the webhook sent something unreadable: {self._safe(data)}")
        _refuse_error(reported(frame), self._safe)
        return [*_status(frame), *self._reply(frame, event)]

    def _reply(self, frame: Mapping[str, Any], event: SseEvent) -> list[TextDelta]:
        self._ending = _pause(frame)
        if self._ending is not None:
            if self._text.begun:
                raise Backend("the webhook sent silence or escalate after it had sent text")
            self.done = True
            return []
        if "choices" in frame:
            self._chunked = True
            found = self._chunks.event(event)
            deltas = [delta for delta in found if isinstance(delta, TextDelta)]
            self._text.count("".join(delta.text for delta in deltas))
            return deltas
        self._usage = _usage(frame.get("usage")) or self._usage
        text = self._text.add(_string(frame, "text")) if frame.get("text") is not None else ""
        return [TextDelta(text)] if text else []


class _Text:
    """The text of a stream so far: valid, and no more than a message may have."""

    def __init__(self) -> None:
        self._bytes = 0
        self._blank = True
        self._half = ""

    @property
    def begun(self) -> bool:
        return self._bytes > 0 or self._half != ""

    def add(self, text: str) -> str:
        """The text that can go on; a first half of a surrogate pair waits for the second, as a
        program that counts in UTF-16 cuts there."""
        text = self._half + text
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        try:
            cut = text[: len(text) - len(self._half)].encode("utf-16-le", "surrogatepass")
            paired = cut.decode("utf-16-le")
        except UnicodeDecodeError:
            raise _half_a_pair() from None
        if "\0" in paired:
            raise Backend("the webhook's text must not contain NUL (U+0000)")
        self.count(paired)
        return paired

    def count(self, text: str) -> None:
        self._bytes += len(text.encode())
        self._blank = self._blank and not text.strip()
        if self._bytes > CONTENT_BYTES:
            raise Backend(f"the webhook's text must be at most {CONTENT_BYTES} bytes of UTF-8")

    def end(self) -> None:
        if self._half:
            raise _half_a_pair()
        if self._blank:
            raise Backend('the webhook sent no text; {"silence": true} is how to say nothing')


def _half_a_pair() -> Backend:
    return Backend("the webhook's text must be valid Unicode, without lone surrogates")


def _frame(data: str) -> Mapping[str, Any] | None:
    """A JSON object, which may hold half a surrogate pair; None for anything else."""
    try:
        frame = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return frame if isinstance(frame, dict) else None


def _refuse_error(error: tuple[str, bool] | None, safe: Safe) -> None:
    if error is not None:
        text, transient = error
        raise Backend(f"the webhook reported an error: {safe(text)}", transient=transient)


def _status(frame: Mapping[str, Any]) -> list[Part]:
    if frame.get("status") is None:
        return []
    line = excerpt(_string(frame, "status"), None)
    short = line if len(line) <= STATUS_CHARS else line[: STATUS_CHARS - 1] + "…"
    return [Status(short)] if short else []


def _pause(answer: Mapping[str, Any]) -> Ending | None:
    """`silence` or `escalate`; null and false are as good as absent."""
    if answer.get("silence") not in (None, False):
        if answer["silence"] is not True:
            raise Backend("the webhook's `silence` must be true")
        return Silence()
    escalate = answer.get("escalate")
    if escalate in (None, False):
        return None
    if not isinstance(escalate, dict):
        raise Backend("the webhook's `escalate` must be an object with a message")
    return Escalate(_content(escalate, "message"))


def _content(answer: Mapping[str, Any], name: str) -> str:
    text = _string(answer, name)
    fault = content_fault(text)
    if fault:
        raise Backend(f"the webhook's `{name}` {fault}")
    return text


def _string(answer: Mapping[str, Any], name: str) -> str:
    text = answer.get(name)
    if not isinstance(text, str):
        raise Backend(f"the webhook's `{name}` must be a string")
    return text


def _usage(usage: object) -> Usage | None:
    """What it counted, when that can be: the hub estimates otherwise."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is not int or type(completion) is not int:
        return None
    if not (0 <= prompt <= _MAX_TOKENS and 0 <= completion <= _MAX_TOKENS):
        return None
    return Usage(prompt, completion)
