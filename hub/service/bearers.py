"""Who comes by a JSON Web Token: a participant of a tenant that others vouch for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from hub.core.claims import Claims
from hub.core.errors import Unauthenticated
from hub.core.values import Actor, Author, Participant, why_gone
from hub.ports import Clock, Store, TokenReader
from hub.service.shared import Gathered

_PEOPLE_AT_ONCE: Final = 200
_KNOWN: Final = 50_000
_KNOWN_MS: Final = 60_000
_Who = tuple[str, str]
"""A tenant and a participant."""


class Bearers:
    """Callers by their tokens. Who a participant is, is cached until they are disabled; `gone`
    says whether somebody was of late."""

    def __init__(
        self, store: Store, tokens: TokenReader | None, gone: Callable[[str], bool], now_ms: Clock
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._gone = gone
        self._now_ms = now_ms
        self._people = Gathered(self._find, _PEOPLE_AT_ONCE)
        self._known: OrderedDict[str, tuple[Author, int]] = OrderedDict()

    def cached(self, token: str) -> Actor | None:
        """The actor of a token that was authenticated before and is still good."""
        claims = self._tokens.known(token) if self._tokens is not None else None
        known = self._known.get(claims.key_id) if claims is not None else None
        if claims is None or known is None or self._now_ms() >= known[1]:
            return None
        return claims.actor(known[0])

    async def authenticate(self, token: str) -> Actor:
        """The actor behind a token; Unauthenticated says what is wrong with it."""
        if self._tokens is None:
            raise Unauthenticated(
                "this hub takes no JSON Web Tokens: HUB_JWT_SECRET or HUB_JWT_JWKS_URL is not set"
            )
        return await self.actor(await self._tokens.read(token))

    async def actor(self, claims: Claims) -> Actor:
        """Whom a token's claims are about, as the database knows them."""
        who = claims.participant_id
        found = await self._people.ask((claims.tenant_id, who))
        if found is None:
            raise Unauthenticated(f"there is no participant {who}")
        if found.disabled_ms is not None or self._gone(claims.key_id):
            raise Unauthenticated(why_gone(claims.key_id))
        self._known[claims.key_id] = found.author(), self._now_ms() + _KNOWN_MS
        while len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return claims.actor(found.author())

    async def _find(self, asked: Sequence[_Who]) -> dict[_Who, Participant]:
        found: dict[_Who, Participant] = {}
        for tenant_id in {tenant_id for tenant_id, _ in asked}:
            ids = [each for of, each in asked if of == tenant_id]
            people = await self._store.participants.find(tenant_id, ids)
            found |= {(tenant_id, each): person for each, person in people.items()}
        return found

    def forget(self, key_id: str) -> None:
        """Somebody was disabled."""
        self._known.pop(key_id, None)
