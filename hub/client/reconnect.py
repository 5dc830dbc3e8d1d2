"""What to do when a connection ends: the contract's table of close codes, and full jitter. Pure.

Full jitter: a random delay between nothing and a bound that doubles (Brooker, "Exponential Backoff
And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson

from hub.core.errors import Denied, HubError, TooLarge, Unauthenticated

BASE_S: Final = 0.5
CAP_S: Final = 30.0
_TOO_MUCH_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Stop:
    """Do not come back; `error` is None after a plain bye."""

    error: HubError | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Come back after `least_s` and a random part of `spread_s`; None leaves the spread to the
    backoff. `refresh` asks for another token first."""

    least_s: float = 0.0
    spread_s: float | None = None
    refresh: bool = False


Verdict = Stop | Resume


def on_close(code: int | None, reason: str) -> Verdict:
    """By close code; None for a connection that ended without one."""
    if code == 1000:
        return Stop()
    if code == 1009:
        return Stop(TooLarge(reason or "a frame was too big; send smaller ones"))
    if code in (4401, 4410):
        return Stop(Unauthenticated(reason or "the hub does not know this key"))
    if code == 4403:
        return Stop(Denied(reason or "the hub refuses this connection"))
    if code == 1012:
        return Resume(spread_s=_retry_s(reason))
    if code == 4429:
        return Resume(least_s=_retry_s(reason) or _TOO_MUCH_S)
    return Resume(refresh=code == 4402)


def on_refused(status: int) -> Verdict:
    """By the HTTP status that answered a handshake instead of 101."""
    if status == 401:
        return Stop(Unauthenticated("the hub does not know this key"))
    if status == 403:
        return Stop(Denied("the hub refuses this connection"))
    return Resume()


def _retry_s(reason: str) -> float | None:
    """`{"retry_s": 2}`: seconds, when the reason says so."""
    try:
        about = orjson.loads(reason)
    except orjson.JSONDecodeError:
        return None
    found = about.get("retry_s") if isinstance(about, dict) else None
    return float(found) if isinstance(found, int | float) and 0 <= found <= 3600 else None


class Backoff:
    """Delays in seconds; `random()` is in [0, 1)."""

    def __init__(
        self, random: Callable[[], float], base_s: float = BASE_S, cap_s: float = CAP_S
    ) -> None:
        self._random = random
        self._base_s = base_s
        self._cap_s = cap_s
        self._failures = 0

    def delay_s(self, resume: Resume) -> float:
        """How long to wait before the next try."""
        spread_s = resume.spread_s
        if spread_s is None:
            spread_s = min(self._cap_s, self._base_s * 2 ** min(self._failures, 30))
            self._failures += 1
        return resume.least_s + self._random() * spread_s

    def reset(self) -> None:
        """A connection held: the next delay is a short one again."""
        self._failures = 0
