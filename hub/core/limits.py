"""A token bucket: so many a second, with a burst of one second's worth."""

from __future__ import annotations

from math import ceil


class Bucket:
    """`rate` tokens a second; time is whatever steady clock the caller has, in seconds."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = rate
        self._at = 0.0

    def take(self, now_s: float) -> float:
        """Take one token: 0 when there was one, else the seconds until there will be."""
        rate = self._rate
        left = self._left + (now_s - self._at) * rate
        if left > rate:
            left = rate
        self._at = now_s
        if left >= 1:
            self._left = left - 1
            return 0.0
        self._left = left
        return ceil((1 - left) / rate * 1000) / 1000
