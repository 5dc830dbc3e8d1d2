"""The life of a run: one table, and the only moves there are.

A run starts queued. A worker's claim makes it running, a lost lease lets another claim it again
(the next attempt). It may wait for a person or a bot's late answer. Five states end it, and an
ended run never moves again: an illegal move raises and changes nothing.
"""

from __future__ import annotations

from typing import Final

MOVES: Final[dict[str, frozenset[str]]] = {
    "queued": frozenset({"running", "failed", "cancelled", "suppressed"}),
    "running": frozenset({"running", "waiting", "queued", "succeeded", "silent", "failed",
                          "cancelled"}),
    "waiting": frozenset({"queued", "running", "succeeded", "silent", "failed", "cancelled"}),
    "succeeded": frozenset(),
    "silent": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
    "suppressed": frozenset(),
}  # fmt: skip

NEWER: Final = "newer"
NEWER_CAME: Final = "a newer message came"
"""Who has asked for the end of a run that a newer message interrupts, and what people are told."""

OPEN: Final = frozenset(state for state, moves in MOVES.items() if moves)
ENDED: Final = frozenset(state for state, moves in MOVES.items() if not moves)


class IllegalMove(ValueError):
    """A run was asked to do what its state does not allow."""


def move(state: str, to: str) -> str:
    """The new state; IllegalMove when the table has no such move."""
    if to not in MOVES[state]:
        raise IllegalMove(f"a {state} run cannot become {to}")
    return to


def why_cancelled(by: str) -> str:
    """The reason of a run whose end was asked for `by` a participant, or by a newer message."""
    return NEWER_CAME if by == NEWER else f"cancelled by {by}"


def sources_of(to: str) -> tuple[str, ...]:
    """The states from which `to` can be reached, sorted: what an UPDATE may match."""
    return tuple(sorted(state for state, moves in MOVES.items() if to in moves))
