"""How a client that nobody knows yet says who it is: one small `auth` frame, in time."""

from __future__ import annotations

import asyncio
from typing import Final

from hub.core.errors import HubError, Invalid, Unauthenticated
from hub.gateway.commands import Auth, decoded
from hub.wire.bodies import validate

GREETING_S: Final = 5.0
GREETING_BYTES: Final = 8_192
EARLY: Final = 16


class Greeting:
    """What a client has said so far. The first frame is `auth`, and small; what is sent behind it
    waits for the answer."""

    def __init__(self, *, packed: bool) -> None:
        self._packed = packed
        self._auth: Auth | None = None
        self._early: list[str | bytes] = []
        self._wake = asyncio.Event()

    def take(self, data: str | bytes) -> None:
        """One frame. Raises Unauthenticated: the client is to be closed."""
        if self._auth is not None:
            self._early.append(data)
            if sum(map(_size, self._early)) > GREETING_BYTES or len(self._early) > EARLY:
                raise Unauthenticated("too much was sent before authentication")
            return
        try:
            if _size(data) > GREETING_BYTES:
                raise Invalid("the auth frame is too large")
            self._auth = validate(Auth, decoded(data, packed=self._packed))
        except HubError:
            said = 'the first frame must be {"type":"auth","token":…}'
            raise Unauthenticated(said) from None
        self._wake.set()

    def end(self) -> None:
        """The client is gone: nobody need wait for it."""
        self._wake.set()

    async def heard(self) -> Auth | None:
        """The `auth`; None when the client is gone. Raises Unauthenticated when it is too late."""
        try:
            async with asyncio.timeout(GREETING_S):
                await self._wake.wait()
        except TimeoutError:
            raise Unauthenticated("not authenticated in time") from None
        return self._auth

    def take_early(self) -> list[str | bytes]:
        """What was sent behind the `auth`, once."""
        early, self._early = self._early, []
        return early


def _size(data: str | bytes) -> int:
    return len(data.encode() if isinstance(data, str) else data)
