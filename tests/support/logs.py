"""What clients applied against what the database holds: missed, twice, out of order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import asyncpg

Entry = tuple[int, str]


@dataclass
class Applied:
    """What one client applied of one room, in its order, from after `start`: seq and message.
    `told` are the spans of which it was told that they are to be read elsewhere."""

    start: int
    entries: list[Entry] = field(default_factory=list)
    told: list[range] = field(default_factory=list)

    @property
    def position(self) -> int:
        return self.entries[-1][0] if self.entries else self.start


@dataclass
class Tally:
    """How often which promise was broken."""

    missed: int = 0
    twice: int = 0
    disordered: int = 0
    foreign: int = 0

    @property
    def clean(self) -> bool:
        return not (self.missed or self.twice or self.disordered or self.foreign)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.missed + other.missed,
            self.twice + other.twice,
            self.disordered + other.disordered,
            self.foreign + other.foreign,
        )

    def __str__(self) -> str:
        return (
            f"missed {self.missed}, twice {self.twice}, out of order {self.disordered}, "
            f"not in the database {self.foreign}"
        )


async def read_messages(url: str) -> dict[str, list[Entry]]:
    """Seq and message of every post, by room, as PostgreSQL has them."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT room_id, seq, ref FROM events WHERE type = 'message.created' ORDER BY seq"
        )
    finally:
        await connection.close()
    logs: dict[str, list[Entry]] = {}
    for room_id, seq, ref in rows:
        logs.setdefault(room_id, []).append((seq, ref))
    return logs


def compare(stored: Sequence[Entry], lists: Iterable[Applied]) -> Tally:
    """Each list must be what is stored after its start."""
    tally = Tally()
    for applied in lists:
        due = [
            entry
            for entry in stored
            if entry[0] > applied.start and not any(entry[0] in span for span in applied.told)
        ]
        if applied.entries == due:
            continue
        seen, known = set[Entry](), set(due)
        highest = applied.start
        for entry in applied.entries:
            tally.twice += entry in seen
            tally.foreign += entry not in known
            tally.disordered += entry[0] <= highest and entry not in seen
            seen.add(entry)
            highest = max(highest, entry[0])
        tally.missed += len(known - seen)
    return tally
