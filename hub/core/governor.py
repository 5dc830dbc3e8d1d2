"""What keeps AI participants from answering each other for ever, and within what they may cost.

Decided in the transaction that stores the message which would start a run, on counts read under
its locks, so no two gateways can each let the last one through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hub.core.values import Json

WARN_SHARE: Final = 0.8
NEARLY_SPENT: Final = "BUDGET_NEARLY_SPENT"
_SAID: Final = {
    "depth": "is over the cap of",
    "replies": "one human message starts at most",
    "exchanges": "called each other",
    "budget": "budget of",
}
"""What a reason says of the cap that holds a run back, in words that no other has."""
OTHER: Final = "other"
CAPS: Final = (*_SAID, OTHER)


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be used in a day (UTC); None is without bound."""

    runs: int | None = None
    tokens: int | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """`depth`: hops since a human spoke. `replies`: runs that one human message may start, by
    whatever chain. `exchanges`: runs that two AI participants may start at each other in
    `exchanges_s` seconds. `budget`: of a whole tenant."""

    depth: int = 6
    replies: int = 12
    exchanges: int = 10
    exchanges_s: int = 60
    budget: Budget = Budget()


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used of a budget today."""

    runs: int = 0
    tokens: int = 0
    ms: int = 0


def budget_of(settings: Mapping[str, Any]) -> Budget | None:
    """The budget that a room's settings give it."""
    given = settings.get("budget")
    return Budget(**given) if isinstance(given, dict) else None


def chain_over(limits: Limits, depth: int, replies: int, exchanges: int) -> str | None:
    """Why a run at `depth`, after `replies` others for the same human message and `exchanges` of
    the same pair, is not started; None to start it."""
    if depth > limits.depth:
        return f"depth {depth} {_SAID['depth']} {limits.depth}: a person must speak first"
    if replies >= limits.replies:
        return f"{_SAID['replies']} {limits.replies} replies"
    if exchanges >= limits.exchanges:
        return (
            f"these two {_SAID['exchanges']} {exchanges} times within {limits.exchanges_s} s; "
            f"the cap is {limits.exchanges}"
        )
    return None


def budget_over(whose: str, budget: Budget, spent: Spent) -> str | None:
    """Why a budget allows no further run today; None when it does."""
    for used, cap, unit in _meters(budget, spent):
        if cap is not None and used >= cap:
            return f"the {whose}'s {_SAID['budget']} {cap} {unit} a day is used up"
    return None


def cap_of(reason: str) -> str:
    """Which of the caps a run was held back by, by its reason; `other` for what is none: a pause, a
    role, another run that it was merged into."""
    return next((cap for cap, said in _SAID.items() if said in reason), OTHER)


def budget_warning(whose: str, budget: Budget, before: Spent, after: Spent) -> Json | None:
    """What the run is marked with by which four fifths of a budget are reached, else None:
    `{code, message, budget: room|tenant, unit: runs|tokens|seconds, used, limit}`, of today."""
    meters = zip(_meters(budget, before), _meters(budget, after), strict=True)
    for (was, cap, unit), (now, _, _) in meters:
        if cap is not None and was < cap * WARN_SHARE <= now:
            message = f"{now} of the {whose}'s {cap} {unit} for today are used"
            return {
                "code": NEARLY_SPENT, "message": message,
                "budget": whose, "unit": unit, "used": now, "limit": cap,
            }  # fmt: skip
    return None


def _meters(budget: Budget, spent: Spent) -> tuple[tuple[int, int | None, str], ...]:
    return (
        (spent.runs, budget.runs, "runs"),
        (spent.tokens, budget.tokens, "tokens"),
        (spent.ms // 1000, budget.seconds, "seconds"),
    )
