"""How far a database has come, and who remembers it when the database is put back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mark:
    """A database by a number of its own that every copy of it has, and one that only grows."""

    database: int
    number: int


class TimelineStore(Protocol):
    async def mark(self) -> Mark:
        """Where the database is."""

    async def advance(self) -> Mark:
        """Move the mark on by one, and where it is then."""

    async def leave(self, beyond: int, epoch: str) -> Mark | None:
        """Unless the mark is at this number or beyond it: give every room the epoch, for no cursor
        from before may fit, and put the mark beyond it. Where it is then; None when it was not
        behind, or somebody else was first."""

    async def renew(self, room_id: str, known: str, beyond: int, epoch: str) -> Mark | None:
        """If the room still has the epoch `known`: as `leave`, wherever the mark is, which is
        further then than it was and beyond the number. None when somebody else was first."""


class Witness(Protocol):
    """Remembers marks outside of the database."""

    async def recall(self, database: int) -> int:
        """The highest number noted for a database; 0 for one that is not known."""

    async def note(self, mark: Mark) -> None:
        """Remember it; a lower one than is known changes nothing."""
