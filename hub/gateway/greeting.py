"""How a client that nobody knows yet says who it is: one small `auth` frame, in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from hub.core.errors import HubError, Invalid, Unauthenticated
from hub.gateway.commands import Auth, decoded
from hub.wire.bodies import validate

GREETING_S: Final = 5.0
GREETING_BYTES: Final = 8_192
EARLY: Final = 16


class Greeting:
    """What a client has said so far. The first frame is `auth`, and small; what is sent behind it
    waits for the answer. `late` is called when it does not come in time."""

    def __init__(self, late: Callable[[], None], *, packed: bool) -> None:
        self._packed = packed
        self._heard = False
        self._early: list[str | bytes] = []
        self._timer = asyncio.get_running_loop().call_later(GREETING_S, late)

    def take(self, data: str | bytes) -> Auth | None:
        """One frame: the `auth`, or None for what is behind it. Raises Unauthenticated: the client
        is to be closed."""
        if self._heard:
            self._early.append(data)
            if sum(map(_size, self._early)) > GREETING_BYTES or len(self._early) > EARLY:
                raise Unauthenticated("too much was sent before authentication")
            return None
        try:
            if _size(data) > GREETING_BYTES:
                raise Invalid("the auth frame is too large")
            auth = validate(Auth, decoded(data, packed=self._packed))
        except HubError:
            said = 'the first frame must be {"type":"auth","token":…}'
            raise Unauthenticated(said) from None
        self._heard = True
        self.end()
        return auth

    def end(self) -> None:
        """Nobody need wait for it any more."""
        self._timer.cancel()

    def take_early(self) -> list[str | bytes]:
        """What was sent behind the `auth`, once."""
        early, self._early = self._early, []
        return early


def _size(data: str | bytes) -> int:
    return len(data.encode() if isinstance(data, str) else data)
