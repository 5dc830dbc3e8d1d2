"""The code examples of the user's document, found in its text.

An example is a line with its language, a gutter of line numbers 1 to N, then N lines of code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DOCUMENT: Final = Path(__file__).parent / "data" / "sessions-and-rooms.txt"
HOST: Final = "https://scaigrid.scailabs.ai"
_LANGUAGES: Final = ("bash", "python", "typescript", "json")


@dataclass(frozen=True, slots=True)
class Snippet:
    """One example, with the last line of prose before it."""

    language: str
    code: str
    after: str

    @property
    def first_line(self) -> str:
        return self.code.splitlines()[0]


def extract(text: str) -> list[Snippet]:
    """Every example of a document, in order."""
    lines, found, prose, at = text.splitlines(), list[Snippet](), "", 0
    while at < len(lines):
        count = _gutter(lines, at + 1) if lines[at] in _LANGUAGES else 0
        if not count:
            prose = lines[at].strip() or prose
            at += 1
            continue
        begin = at + 1 + count
        code = lines[begin : begin + count]
        if len(code) < count:
            raise ValueError(f"line {at + 1}: the gutter counts {count} lines, {len(code)} follow")
        found.append(Snippet(lines[at], "\n".join(code) + "\n", prose))
        at = begin + count
    return found


def _gutter(lines: Sequence[str], start: int) -> int:
    """How many line numbers 1, 2, 3, … stand from `start` on."""
    count = 0
    while start + count < len(lines) and lines[start + count].strip() == str(count + 1):
        count += 1
    return count


def documented() -> list[Snippet]:
    """The examples of the user's document."""
    return extract(DOCUMENT.read_text())
