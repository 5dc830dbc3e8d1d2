"""How many sockets and streams a gateway has open: in all, from one address before it is known
whose they are, and with one key."""

from __future__ import annotations

from collections import Counter


class Full(Exception):
    """There is no room for one more now."""


class Seats:
    """What is open, each with what it counts for: an address, then a key."""

    def __init__(self, most: int, strangers: int, per_key: int) -> None:
        self._most, self._strangers, self._per_key = most, strangers, per_key
        self._taken: dict[object, tuple[str, str]] = {}
        self._count: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return len(self._taken)

    def keys(self) -> set[str]:
        """The keys with which something is open."""
        return {who for kind, who in self._count if kind == "key"}

    def take(self, socket: object, address: str | None) -> None:
        """A socket has come, of nobody yet; without an address it has said who it is, and is no
        stranger while its key is looked up. Raises Full."""
        self._one_more()
        if address is None:
            self._sit(socket, ("coming", ""), self._most)
        else:
            self._sit(socket, ("address", address), self._strangers)

    def admit(self, stream: object, key_id: str) -> None:
        """A stream has come whose key is known. Raises Full."""
        self._one_more()
        self._sit(stream, ("key", key_id), self._per_key)

    def known(self, socket: object, key_id: str) -> None:
        """It belongs to this key. Raises Full, and the socket keeps the seat it had."""
        self._sit(socket, ("key", key_id), self._per_key)

    def leave(self, socket: object) -> None:
        """It is gone; one that had no seat is no error."""
        if (had := self._taken.pop(socket, None)) is not None:
            self._count[had] -= 1
            if not self._count[had]:
                del self._count[had]

    def _one_more(self) -> None:
        if len(self._taken) >= self._most:
            raise Full

    def _sit(self, socket: object, counts_for: tuple[str, str], most: int) -> None:
        if self._taken.get(socket) == counts_for:
            return
        if self._count.get(counts_for, 0) >= most:
            raise Full
        self.leave(socket)
        self._taken[socket] = counts_for
        self._count[counts_for] += 1
