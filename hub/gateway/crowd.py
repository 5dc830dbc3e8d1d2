"""Who gets what a room brings, so kept that nobody has to be looked at one by one.

To read a little of each of a thousand connections takes the processor longer than the work that is
done with it: they are all over the memory. So what is the same from tick to tick is kept in one
piece, and who is different now says so.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from hub.core.values import Actor
from hub.wire.frames import Coding


class Target(Protocol):
    """A socket to which is written what everybody gets."""

    @property
    def aim(self) -> int:
        """What `aim_at` said of its transport; 0 once it is lost."""

    @property
    def waiting(self) -> bool:
        """Whether something has to be written before, which must not be overtaken."""

    def write(self, frames: bytes) -> None:
        """Behind what waits, by the transport."""

    def let_go(self) -> None:
        """Drop the connection and what waits on it, now."""


class Subscriber(Protocol):
    """A connection as a feed sees it."""

    @property
    def actor(self) -> Actor: ...

    @property
    def straight(self) -> Target | None:
        """Where it is written to what everybody gets, unless that is very much; None when it takes
        frames in another way, or has closed."""

    @property
    def congested(self) -> bool:
        """True while what was written before has not left yet."""

    @property
    def coding(self) -> Coding:
        """How it takes frames."""

    @property
    def present(self) -> bool:
        """Whether it shows that its participant is there."""

    def deliver(self, frames: bytes) -> None:
        """Take joined frames of its own encoding, now; may close itself when it cannot keep up."""

    def expelled(self, room_id: str) -> None:
        """Learn that the room may no longer be read and was left."""

    def outdated(self, room_id: str) -> None:
        """Learn that the room has another log now and was left: subscribe again."""


class Apart:
    """What is different now among a gateway's sockets: those for which something `waiting` may be,
    and how many were `lost` so far. A descriptor is given back when its transport has told of the
    loss, not before; it may be another one's then."""

    def __init__(self) -> None:
        self.sockets: set[Target] = set()
        self.lost = 0

    def lose(self, socket: Target) -> None:
        """It is gone, and so is what waited."""
        self.lost += 1
        self.sockets.discard(socket)

    def tidy(self) -> None:
        """Forget those for which nothing waits any more."""
        if self.sockets:
            self.sockets = {each for each in self.sockets if each.waiting}


class Crowd:
    """A room's subscribers: `targets`, with their `aims` in the same order, and the `others`, who
    are served one by one. It holds as long as nobody comes, leaves or is lost."""

    def __init__(self, subscribers: Iterable[Subscriber], lost: int) -> None:
        self.lost = lost
        self.others: list[Subscriber] = []
        self.targets: list[Target] = []
        self._members: list[Subscriber] = []
        for each in subscribers:
            target = each.straight
            if target is not None and target.aim:
                self.targets.append(target)
                self._members.append(each)
            else:
                self.others.append(each)
        self.aims = array("Q", [target.aim for target in self.targets])
        self._places: dict[Target, int] | None = None

    def places(self, sockets: Collection[Target]) -> list[int]:
        """Where some of these are among the targets, the last first."""
        if not sockets:
            return []
        if self._places is None:
            self._places = {target: at for at, target in enumerate(self.targets)}
        found = [at for each in sockets if (at := self._places.get(each)) is not None]
        found.sort(reverse=True)
        return found

    def members(self, places: Iterable[int]) -> list[Subscriber]:
        """The subscribers whose targets are at these places."""
        return [self._members[at] for at in places]

    def aims_but(self, places: Sequence[int]) -> array[int]:
        """All aims but those at these places, of which the last comes first."""
        if not places:
            return self.aims
        aims = self.aims[:]
        for at in places:
            del aims[at]
        return aims

    def targets_but(self, places: Sequence[int]) -> list[Target]:
        """All targets but those at these places."""
        if not places:
            return self.targets
        out = set(places)
        return [each for at, each in enumerate(self.targets) if at not in out]
