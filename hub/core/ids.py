"""Ids: a prefix and a lowercase ULID (github.com/ulid/spec); participants keep the id given."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_SHIFTS: Final = tuple(range(120, -1, -10))
_RANDOM_BITS: Final = 80
_LOW: Final = (1 << 20) - 1
TENANT: Final = "default"
"""The tenant that a first start makes."""
AI_TYPES: Final = frozenset({"bot", "agent", "persona"})
MODEL_PERSONA: Final = "persona_model-"
"""How the ids begin of personas that stand for a bare model in sessions; the hub makes them."""
HANDLE: Final = re.compile(r"[a-z0-9_-]{1,64}")
_PARTICIPANT: Final = re.compile(r"(user|bot|agent|persona)_[a-z0-9_-]{1,64}")


def ulid(ms: int, random: int) -> str:
    """26 characters: 48 bits of milliseconds since 1970, then 80 random bits."""
    value = (ms << _RANDOM_BITS) | (random & ((1 << _RANDOM_BITS) - 1))
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in _SHIFTS])


def participant_type(participant_id: str) -> str | None:
    """`bot` for `bot_design_reviewer`; None when the text is no participant id."""
    match = _PARTICIPANT.fullmatch(participant_id)
    return match.group(1) if match else None


def is_ai(participant_id: str) -> bool:
    """Whether the id is a bot's, an agent's or a persona's."""
    return not participant_id.startswith("user_")


class IdMaker:
    """Makes ids that sort by time, strictly rising within one process.

    `now_ms` is the wall clock in milliseconds, `randbits(n)` a source of random bits. Ids are
    names, not secrets: a seeded generator will do.
    """

    def __init__(self, now_ms: Callable[[], int], randbits: Callable[[int], int]) -> None:
        self._now_ms = now_ms
        self._randbits = randbits
        self._ms = 0
        self._tail = 0
        self._stem = ""

    def make(self, prefix: str) -> str:
        """`make("msg")` is `msg_` and a ULID."""
        now = self._now_ms()
        later = now > self._ms
        if later:
            self._ms, self._tail = now, self._randbits(_RANDOM_BITS - 1)
        else:
            self._tail += 1
        low = self._tail & _LOW
        if later or low == 0:  # most ids differ from the last in their end alone
            self._stem = ulid(self._ms, self._tail)[:-4]
        return f"{prefix}_{self._stem}{_PAIRS[low >> 10]}{_PAIRS[low & 1023]}"
