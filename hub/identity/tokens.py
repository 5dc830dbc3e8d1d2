"""Whether a token is good. The algorithm is told by the key that it is verified with, never by the
token alone (RFC 8725, section 3.1): a shared secret is for HS256, a public key for its own.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from typing import Any, Final

import jwt
from jwt import PyJWK
from jwt.types import Options

from hub.core.claims import Claims, claims_of
from hub.core.errors import Unauthenticated
from hub.core.values import Json
from hub.identity.keyset import ALGORITHMS, KeySet
from hub.ports import Clock

TOKEN_BYTES: Final = 8_192
KNOWN: Final = 50_000
_FORM: Final = re.compile(r"[\w=-]+\.[\w=-]+\.[\w=-]+", re.ASCII)
_OPTIONS: Final[Options] = {
    "verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_sub": False,
    "verify_jti": False, "enforce_minimum_key_length": True,
}  # fmt: skip
"""What is about times and people is checked with the claims, by the hub's clock."""


class Tokens:
    """A `TokenReader`. Tokens must be for `audience` and, when there is one, from `issuer`; they
    are signed with `secret`, or with one of `keys`. What was verified is known by the digest of
    the token until it ends, or until its key is withdrawn."""

    def __init__(
        self,
        audience: str,
        issuer: str | None,
        secret: str | None,
        keys: KeySet | None,
        now_ms: Clock,
    ) -> None:
        self._audience = audience
        self._issuer = issuer
        self._secret = secret
        self._keys = keys
        self._now_ms = now_ms
        self._known: OrderedDict[bytes, tuple[Claims, PyJWK | None, str]] = OrderedDict()

    async def run(self) -> None:
        """Keep the keys up to date, if there are any to read."""
        if self._keys is not None:
            await self._keys.run()

    def known(self, token: str) -> Claims | None:
        digest = _digest(token)
        found = self._known.get(digest)
        if found is None:
            return None
        claims, key, kid = found
        withdrawn = self._keys is not None and key is not None and self._keys.known(kid) is not key
        if withdrawn or claims.expires_ms <= self._now_ms():
            del self._known[digest]
            return None
        return claims

    async def read(self, token: str) -> Claims:
        if claims := self.known(token):
            return claims
        if len(token) > TOKEN_BYTES:
            raise Unauthenticated(f"the token is too long: {TOKEN_BYTES} bytes at most")
        if not _FORM.fullmatch(token):
            raise Unauthenticated("the token is no JSON Web Token: three parts in base64url")
        key, kid = await self._key_for(_header_of(token))
        claims = claims_of(self._verified(token, key), self._now_ms())
        self._known[_digest(token)] = claims, key, kid
        while len(self._known) > KNOWN:
            self._known.popitem(last=False)
        return claims

    async def _key_for(self, header: Json) -> tuple[PyJWK | None, str]:
        """The key of the set that a token names, with its id; None is the secret."""
        algorithm: Any = header.get("alg")
        if self._secret is not None and algorithm == "HS256":
            return None, ""
        if self._keys is None or algorithm not in ALGORITHMS:
            raise Unauthenticated(f"the token must be signed with {self._algorithms}")
        kid: Any = header.get("kid")
        if not isinstance(kid, str):
            raise Unauthenticated("the token's header must name its key (kid)")
        key = await self._keys.key(kid)
        if key.algorithm_name != algorithm:
            raise Unauthenticated("the token's alg is not that of the key it names")
        return key, kid

    @property
    def _algorithms(self) -> str:
        shared = ("HS256",) if self._secret is not None else ()
        return " or ".join(shared + (ALGORITHMS if self._keys is not None else ()))

    def _verified(self, token: str, key: PyJWK | None) -> Json:
        """What the token says; Unauthenticated unless it was signed, and is for us."""
        algorithm = "HS256" if key is None else key.algorithm_name
        try:
            return jwt.decode(
                token, (self._secret or "") if key is None else key, [algorithm], _OPTIONS,
                audience=self._audience, issuer=self._issuer,
            )  # fmt: skip
        except jwt.InvalidSignatureError:
            raise Unauthenticated("the token's signature is wrong") from None
        except jwt.InvalidIssuerError:
            raise Unauthenticated(self._wanted("iss")) from None
        except jwt.InvalidAudienceError:
            raise Unauthenticated(self._wanted("aud")) from None
        except jwt.MissingRequiredClaimError as error:
            raise Unauthenticated(self._wanted(str(error.claim))) from None
        except jwt.PyJWTError:
            raise _unreadable() from None

    def _wanted(self, claim: str) -> str:
        if claim == "iss":
            return f"the token's issuer (iss) must be {self._issuer}"
        return f"the token's audience (aud) must be {self._audience}"


def _header_of(token: str) -> Json:
    """The header, of which nothing is believed yet."""
    try:
        return jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise _unreadable() from None


def _unreadable() -> Unauthenticated:
    return Unauthenticated("the token cannot be read: its header or its claims are malformed")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
