"""Server-sent events read from bytes cut anywhere (WHATWG HTML, section 9.2.6). Pure."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

MAX_EVENT_CHARS = 1024 * 1024
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One dispatched event; `id` is the last one the stream has named so far."""

    data: str
    event: str = "message"
    id: str = ""


class SseTooLong(ValueError):
    """A line, or the data lines of one event together, passed the limit."""


class SseDecoder:
    """Bytes in, events out; what is unfinished stays inside, at most `max_chars` of it.

    Bad UTF-8 becomes U+FFFD, as the standard says. `retry` and unknown fields are ignored.
    """

    def __init__(self, max_chars: int = MAX_EVENT_CHARS) -> None:
        self._max_chars = max_chars
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._started = False
        self._after_cr = False
        self._tail: list[str] = []
        self._tail_chars = 0
        self._data: list[str] = []
        self._data_chars = 0
        self._event = ""
        self._id = ""

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events these bytes complete. Raises SseTooLong, and is then of no more use."""
        return self._take(self._utf8.decode(data))

    def end(self) -> list[SseEvent]:
        """The event left open when the stream ended.

        The standard drops it; servers of models that forget the last blank line are common enough
        to read it. Whether it is whole is for the reader to see.
        """
        return self._take(self._utf8.decode(b"", final=True) + "\n\n")

    def _take(self, text: str) -> list[SseEvent]:
        text = self._unmarked(text)
        if not text:
            return []
        *lines, rest = _LINE_END.split(text)
        events = []
        for line in lines:
            event = self._line(self._whole(line))
            if event is not None:
                events.append(event)
        self._keep(rest)
        return events

    def _unmarked(self, text: str) -> str:
        """Without a leading byte order mark, and without the LF of a CRLF cut in two."""
        if not text:
            return text
        if not self._started:
            self._started = True
            text = text.removeprefix("\ufeff")
        if self._after_cr:
            text = text.removeprefix("\n")
        self._after_cr = text.endswith("\r")
        return text

    def _whole(self, line: str) -> str:
        self._keep(line)
        whole = "".join(self._tail)
        self._tail.clear()
        self._tail_chars = 0
        return whole

    def _keep(self, piece: str) -> None:
        self._tail_chars += len(piece)
        if self._tail_chars + self._data_chars > self._max_chars:
            raise SseTooLong(f"an event of more than {self._max_chars} characters")
        if piece:
            self._tail.append(piece)

    def _line(self, line: str) -> SseEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._data_chars += len(value) + 1
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> SseEvent | None:
        data, event = self._data, self._event
        self._data, self._data_chars, self._event = [], 0, ""
        if not data:
            return None
        return SseEvent("\n".join(data), event or "message", self._id)
