"""What a JSON Web Token (RFC 7519) says, once its signature is known to be good: who comes, until
when, and what they may do.

| claim          |                                                                          |
|----------------|--------------------------------------------------------------------------|
| `sub`          | the participant's id                                                     |
| `exp`          | when it ends, in seconds since 1970, within a day of now and of `iat`    |
| `nbf`, `iat`   | optional; may lie ahead by as much as clocks differ                      |
| `tenant`       | optional; the tenant that a first start makes when it is left out        |
| `scopes`       | optional; `["read"]` or `["read", "write"]`, which it is when left out   |

No claim makes an admin. Whatever else stands in a token is not looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from hub.core.errors import Unauthenticated
from hub.core.ids import TENANT, participant_type
from hub.core.values import SCOPES, Actor, Author, Json, Scope, token_key

LIFE_MS: Final = 24 * 3600 * 1000
LEEWAY_MS: Final = 30_000
_TENANT: Final = re.compile(r"[a-z0-9_-]{1,80}", re.ASCII)
_FAR_S: Final = 2**40


@dataclass(frozen=True, slots=True)
class Claims:
    """Who comes by a token, until when, and what it lets them do."""

    tenant_id: str
    participant_id: str
    expires_ms: int
    scopes: tuple[Scope, ...] = SCOPES

    @property
    def key_id(self) -> str:
        """What stands where a key's id would: the same for all tokens of a participant."""
        return token_key(self.tenant_id, self.participant_id)

    def actor(self, author: Author) -> Actor:
        """The caller, as its participant is shown now."""
        return Actor(
            self.tenant_id, author, "tenant_user", self.key_id, self.expires_ms, self.scopes
        )


def claims_of(said: Json, now_ms: int) -> Claims:
    """The claims of a token as they are read; Unauthenticated says which is wrong."""
    expires_ms = _time(said, "exp")
    if expires_ms is None:
        raise Unauthenticated("the token has no exp: it must say when it ends")
    if expires_ms <= now_ms:
        raise Unauthenticated("the token has expired")
    _check_times(said, expires_ms, now_ms)
    return Claims(_tenant(said), _participant(said), expires_ms, _scopes(said))


def _check_times(said: Json, expires_ms: int, now_ms: int) -> None:
    issued_ms, begins_ms = _time(said, "iat"), _time(said, "nbf")
    latest_ms = now_ms + LEEWAY_MS
    if issued_ms is not None and issued_ms > latest_ms:
        raise Unauthenticated("the token's iat lies in the future: compare the clocks")
    if begins_ms is not None and begins_ms > latest_ms:
        raise Unauthenticated("the token is not good yet: its nbf lies in the future")
    lives_from_ms = latest_ms if issued_ms is None else min(issued_ms, latest_ms)
    if expires_ms - lives_from_ms > LIFE_MS:
        raise Unauthenticated("the token's exp is too far away: a token lives 24 hours at most")


def _time(said: Json, name: str) -> int | None:
    """A NumericDate in milliseconds; None when there is none."""
    if name not in said:
        return None
    value: Any = said[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < _FAR_S:  # NaN is neither
        raise Unauthenticated(f"the token's {name} must be a number of seconds since 1970")
    return int(value * 1000)


def _participant(said: Json) -> str:
    value: Any = said.get("sub")
    if not isinstance(value, str) or participant_type(value) is None:
        raise Unauthenticated("the token's sub must be a participant's id, like user_alice")
    return value


def _tenant(said: Json) -> str:
    value: Any = said.get("tenant", TENANT)
    if not isinstance(value, str) or not _TENANT.fullmatch(value):
        raise Unauthenticated("the token's tenant must be the id of a tenant")
    return value


def _scopes(said: Json) -> tuple[Scope, ...]:
    """As of an API key: `read` and perhaps `write`."""
    given: Any = said.get("scopes", [*SCOPES])
    if not isinstance(given, list) or given not in (["read"], ["read", "write"], ["write", "read"]):
        raise Unauthenticated('the token\'s scopes must be ["read"] or ["read", "write"]')
    return SCOPES if "write" in given else ("read",)
