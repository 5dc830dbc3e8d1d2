"""The text of a reply, put together from what outsiders send: safe, bounded, in order. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hub.core.text import CONTENT_BYTES

LINE_CHARS = 200


def clean(text: str) -> str:
    """A text any database and any UTF-8 wire takes: no NUL, pairs of surrogates joined, lone ones
    replaced."""
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "")


def line_of(text: str, limit: int = LINE_CHARS) -> str:
    """One printable line of a text, bounded."""
    printable = "".join(c if c.isprintable() else " " for c in text[: 4 * limit])
    line = " ".join(printable.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def cut_to(text: str, limit: int) -> str:
    """As much of a clean text as fits into `limit` bytes of UTF-8, whole characters only."""
    return text.encode()[: max(limit, 0)].decode("utf-8", "ignore")


@dataclass(slots=True)
class _Block:
    """One artifact: all of it so far, and how much of that was shown."""

    text: str = ""
    shown: int = 0
    rewritten: bool = False


class ReplyText:
    """Several texts that grow at the same time, shown as one that only grows.

    Each is a block of its own, a blank line between them. The one in hand is shown as it comes,
    until it is complete or another begins; what comes for one that was left is held until the one
    in hand is complete. What was shown cannot be taken back: a block that is rewritten is shown
    once more, at the end. `cut` says that the limit of a message was reached.
    """

    def __init__(self, limit: int = CONTENT_BYTES) -> None:
        self._room = limit
        self._blocks: dict[str, _Block] = {}
        self._in_hand: str | None = None
        self._last_shown: str | None = None
        self.cut = False

    def put(self, key: str, text: str, *, append: bool = False, complete: bool = False) -> str:
        """Take the text of a block, all of it or more of it; returns what may be shown now."""
        begins = key not in self._blocks
        block = self._blocks.setdefault(key, _Block())
        self._write(block, block.text + text if append else text)
        if text and (begins or self._in_hand is None):
            self._in_hand = key
        said = self._show(key) if key == self._in_hand and not block.rewritten else ""
        if not complete or key != self._in_hand:
            return said
        self._in_hand = None
        return said + "".join(self._show(k) for k, b in self._blocks.items() if not b.rewritten)

    def has(self, text: str) -> bool:
        """Whether a block says just this."""
        return any(block.text.strip() == text.strip() for block in self._blocks.values())

    def end(self) -> str:
        """What is left to be shown."""
        return "".join(self._show(key, last=True) for key in self._blocks)

    def _write(self, block: _Block, text: str) -> None:
        text = text.lstrip("\n")
        if not text.startswith(block.text[: block.shown]):
            block.shown, block.rewritten = 0, True
        block.text = text

    def _show(self, key: str, *, last: bool = False) -> str:
        block = self._blocks[key]
        end = len(block.text)
        if not last and "\ud800" <= block.text[-1:] <= "\udbff":
            end -= 1  # half of a character; the other half may come
        begins = block.shown == 0
        fresh = clean(block.text[block.shown : end])
        block.shown = max(block.shown, end)
        if not fresh:
            return ""
        gap = "\n\n" if self._last_shown and (begins or self._last_shown != key) else ""
        self._last_shown = key
        return self._fit(gap + fresh)

    def _fit(self, text: str) -> str:
        if self.cut:
            return ""
        fitting = cut_to(text, self._room)
        self._room -= len(fitting.encode())
        self.cut = len(fitting) < len(text)
        return fitting
