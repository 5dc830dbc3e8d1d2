"""What a load generator looks for in a stream of bytes: marks with the time they were sent.

A mark counts alike in every server's framing and batching. Nothing here reads a clock or a socket.
"""

from __future__ import annotations

from typing import Final

MARK: Final = b"@@stamp:"
DIGITS: Final = 19
_BUCKET_NS: Final = 10_000


def split_at_stamp(message: bytes) -> tuple[bytes, bytes]:
    """What comes before and after the digits of a message's one stamp."""
    at = message.index(MARK) + len(MARK)
    return message[:at], message[at + DIGITS :]


class Scanner:
    """The read buffer that all connections share. The end of what a connection brought before is
    laid in front of what it brings now, so that nothing is missed where two reads meet; a needle
    is searched from where it would not have fitted into the read before, so nothing counts twice.
    """

    def __init__(self, size: int, needles: tuple[bytes, ...] = ()) -> None:
        self.carry = max(map(len, (MARK, *needles))) - 1
        self.blank = bytes(self.carry)
        self.buffer = bytearray(self.carry + size)
        self.space = memoryview(self.buffer)[self.carry :]
        self._from = self.carry + 1 - len(MARK)

    def scan(self, tail: bytes | bytearray, size: int) -> tuple[int, bytearray]:
        """Count the marks in the `size` bytes read into `space`, with `tail` before them. The
        second value is the tail for the connection's next read."""
        buffer, carry = self.buffer, self.carry
        buffer[:carry] = tail
        return buffer.count(MARK, self._from, carry + size), buffer[size : carry + size]

    def count(self, needle: bytes, size: int) -> int:
        """How often another needle is in what was scanned last."""
        return self.buffer.count(needle, self.carry + 1 - len(needle), self.carry + size)

    def first(self, size: int) -> int:
        """The first mark's stamp, in nanoseconds; 0 when it is cut off."""
        end = self.carry + size
        return self._stamp(self.buffer.find(MARK, self._from, end), end)

    def last(self, size: int) -> int:
        """The last mark's stamp, or 0."""
        end = self.carry + size
        return self._stamp(self.buffer.rfind(MARK, self._from, end), end)

    def _stamp(self, at: int, end: int) -> int:
        stop = at + len(MARK) + DIGITS
        return int(self.buffer[at + len(MARK) : stop]) if stop <= end else 0


class Ages:
    """A histogram of how old marks were when they came, in steps of 10 µs."""

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}

    def add(self, age_ns: int, weight: int = 1) -> None:
        bucket = age_ns // _BUCKET_NS
        self._buckets[bucket] = self._buckets.get(bucket, 0) + weight

    def percentile_ms(self, share: float) -> float:
        """The age that `share` (0 to 1) of the marks did not exceed; 0 when there were none."""
        wanted, seen = share * sum(self._buckets.values()), 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return bucket * _BUCKET_NS / 1e6
        return 0.0
