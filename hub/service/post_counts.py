"""What came of posts, and how long they took: noted once for each batch."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from hub.core.errors import HubError
from hub.core.histogram import Histogram
from hub.core.posts import Deferred, NewPost, Posted, Verdict

COMMIT_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
ANSWER_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 500)
OUTCOMES: Final = (
    "stored", "replayed", "refused", "not_stored", "unknown", "turned_away", "deferred", "stale",
)  # fmt: skip
"""`turned_away` for want of room; `deferred` and `stale` ones are tried and counted again."""


class PostCounts:
    """Of a batch the post that came first is the one whose time until the answer is kept."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self.batch = Histogram(BATCH)
        self.commit_s = Histogram(COMMIT_S)
        self.answer_s = Histogram(ANSWER_S)

    def committed(self, verdicts: Sequence[Verdict], began_s: float) -> None:
        """A transaction that began then, by `time.monotonic`, is over."""
        self.commit_s.observe(time.monotonic() - began_s)
        self.batch.observe(len(verdicts))
        stored = replayed = 0
        for verdict in verdicts:
            if not isinstance(verdict, Posted):
                self.outcomes[_name(verdict)] += 1
            elif verdict.replayed:
                replayed += 1
            else:
                stored += 1
        self.outcomes["stored"] += stored
        self.outcomes["replayed"] += replayed

    def answered(self, first: NewPost) -> None:
        """The posts of a batch, of which this one came first, have their answers."""
        self.answer_s.observe(max(0.0, time.time() - first.at_ms / 1000))


def _name(verdict: Verdict) -> str:
    if not isinstance(verdict, HubError):
        return "deferred" if isinstance(verdict, Deferred) else "stale"
    if verdict.code == "OUTCOME_UNKNOWN":
        return "unknown"
    return "not_stored" if verdict.status >= 500 else "refused"
