"""Which server of a cluster serves which slots: what servers tell, and what most of them tell.

A name belongs to one of 16 384 slots, by its {hash tag} or all of it (Redis Cluster specification).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from hub.bus.urls import Address

SLOTS: Final = REDIS_CLUSTER_HASH_SLOTS


def slot_of(name: str | bytes) -> int:
    """The slot of a key or channel."""
    return key_slot(name.encode() if isinstance(name, str) else name)


@dataclass(frozen=True, slots=True)
class Span:
    """Slots from `first` to `last` and the server that serves them."""

    first: int
    last: int
    address: Address


@dataclass(frozen=True, slots=True)
class Layout:
    """A cluster as one server knows it; `members` are the replicas too."""

    spans: tuple[Span, ...] = ()
    members: frozenset[Address] = frozenset()

    @property
    def covered(self) -> int:
        """How many slots are served."""
        return sum(span.last - span.first + 1 for span in self.spans)

    def table(self) -> list[Address | None]:
        """The server of each slot."""
        table: list[Address | None] = [None] * SLOTS
        for span in self.spans:
            table[span.first : span.last + 1] = [span.address] * (span.last - span.first + 1)
        return table


def read_layout(answer: Iterable[Sequence[Any]], asked: Address) -> Layout:
    """The answer to CLUSTER SLOTS of the server at `asked`, which may not know its own host."""
    spans, members = [], set()
    for first, last, *servers in answer:
        addresses = [_address(server, asked) for server in servers]
        spans.append(Span(int(first), int(last), addresses[0]))
        members.update(addresses)
    return Layout(tuple(sorted(spans, key=lambda span: span.first)), frozenset(members))


def _address(server: Sequence[Any], asked: Address) -> Address:
    host = (server[0] or b"").decode()
    return (host if host not in ("", "?") else asked[0], int(server[1]))


def agreed(layouts: Sequence[Layout]) -> Layout:
    """What most tell: one that was away tells what was. Among equals, what serves most."""
    votes = Counter(layout.spans for layout in layouts)
    return max(layouts, key=lambda layout: (votes[layout.spans], layout.covered))
