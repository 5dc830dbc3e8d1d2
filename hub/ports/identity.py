"""Who signs tokens is trusted to say who comes."""

from __future__ import annotations

from typing import Protocol

from hub.core.claims import Claims


class TokenReader(Protocol):
    """Tells JSON Web Tokens that were signed by who may from all others."""

    def known(self, token: str) -> Claims | None:
        """What a token says that was read before and is still good; never waits."""

    async def read(self, token: str) -> Claims:
        """What a token says. Raises Unauthenticated for one that is not good, and Unavailable when
        that cannot be known now."""
