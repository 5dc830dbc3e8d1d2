"""How many runs were queued and how they ended, as the log tells it of all of them, whoever ends
them: a worker, a person who cancels, a bot that answers late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from hub.core.governor import CAPS, cap_of
from hub.core.posts import LogEntry, LogRow

_TELL: Final = frozenset({"run.queued", "run.finished"})


class RunCounts:
    """`ended` by state, `failed` by error code, `held` back by cap; `warned` those that brought a
    budget near its end."""

    def __init__(self) -> None:
        self.queued = 0
        self.ended: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.held: Counter[str] = Counter(dict.fromkeys(CAPS, 0))
        self.warned = 0

    def note(self, rows: Iterable[LogRow]) -> None:
        """These entries were committed by this process."""
        for entry, _ in rows:
            if entry.type in _TELL:
                self._note(entry)

    def _note(self, entry: LogEntry) -> None:
        about = entry.data or {}
        self.warned += about.get("warning") is not None
        if entry.type == "run.queued":
            self.queued += 1
            return
        state = about.get("state", "")
        self.ended[state] += 1
        if state == "suppressed":
            self.held[cap_of(about.get("reason") or "")] += 1
        if error := about.get("error"):
            self.failed[error.get("code", "")] += 1
