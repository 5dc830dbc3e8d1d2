"""The keys of one model's server, taken in turns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from hub.core.errors import Backend

REFUSED_S: Final = 60.0
SLOWED_S: Final = 5.0
OF_THE_KEY: Final = frozenset({401, 402, 403, 429})


class KeyRing:
    """`take` gives the key whose turn it is; one that was refused or slowed down rests a while,
    and comes last until then. A server without keys has the one key None."""

    def __init__(self, keys: Sequence[str], clock: Callable[[], float]) -> None:
        self._keys: tuple[str | None, ...] = tuple(keys) or (None,)
        self._clock = clock
        self._turn = 0
        self._resting: dict[str | None, float] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def take(self, tried: Collection[str | None]) -> str | None:
        """The next key, one of those not yet `tried` if there is any."""
        now, turn = self._clock(), self._turn
        self._turn = (turn + 1) % len(self._keys)
        order = self._keys[turn:] + self._keys[:turn]
        fresh = [key for key in order if key not in tried] or order
        return min(fresh, key=lambda key: max(self._resting.get(key, 0.0), now))

    def failed(self, key: str | None, error: Backend) -> None:
        """Let a key rest whose turn ended in a refusal of the key itself."""
        if error.answered not in OF_THE_KEY:
            return
        rest_s = error.retry_after or SLOWED_S if error.answered == 429 else REFUSED_S
        self._resting[key] = self._clock() + rest_s

    def succeeded(self, key: str | None) -> None:
        self._resting.pop(key, None)
