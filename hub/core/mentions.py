"""`@handle` in the text of a message: whom it speaks to.

What is quoted, code or part of an address mentions nobody.
"""

from __future__ import annotations

import re
from typing import Final

_FENCE: Final = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_QUOTE: Final = re.compile(r"^ {0,3}>")
_TICKS: Final = re.compile(r"`+")
_LINK: Final = re.compile(r"\b[a-z][a-z0-9+.-]{0,20}:[^\s<>]+|\bwww\.[^\s<>]+", re.IGNORECASE)
_TARGET: Final = re.compile(r"\]\([^()\s]*\)")
# The @ comes first, so that the search runs from one to the next; then what may not be before it.
_HANDLE: Final = re.compile(r"@(?<![\w@/.&#+-]@)([A-Za-z0-9_-]{1,64})(?![\w-]*[@/])")


def handles_in(text: str) -> tuple[str, ...]:
    """The handles a text mentions, lower case, each once, in order."""
    if "@" not in text or _HANDLE.search(text) is None:  # what is taken out below adds no handle
        return ()
    found: dict[str, None] = {}
    for line in _spoken(text):
        bare = _LINK.sub(" ", _TARGET.sub("] ", _without_code(line)))
        found.update((name.lower(), None) for name in _HANDLE.findall(bare))
    return tuple(found)


def _without_code(line: str) -> str:
    """The line without its code spans: from a run of backticks to the next of the same length."""
    if "`" not in line:
        return line
    ticks = list(_TICKS.finditer(line))
    closing: dict[int, list[int]] = {}
    for i in range(len(ticks) - 1, -1, -1):
        closing.setdefault(len(ticks[i][0]), []).append(i)
    kept, at, i = [], 0, 0
    while i < len(ticks):
        same = closing[len(ticks[i][0])]
        while same and same[-1] <= i:
            same.pop()
        if same:
            kept.append(line[at : ticks[i].start()])
            i = same[-1]
            at = ticks[i].end()
        i += 1
    return " ".join([*kept, line[at:]])


def _spoken(text: str) -> list[str]:
    """The lines that are neither quoted nor in a fence and have an @."""
    lines: list[str] = []
    fence = ""
    for line in text.splitlines():
        opened = _FENCE.match(line)
        if fence:
            if opened and opened[1].startswith(fence) and not line.strip(" `~"):
                fence = ""
        elif opened:
            fence = opened[1]
        elif "@" in line and not _QUOTE.match(line):
            lines.append(line)
    return lines
