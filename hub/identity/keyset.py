"""The public keys that tokens are signed with: a JSON Web Key Set (RFC 7517) behind a URL of the
operator's, read now and then.

A key that is known stays so while the URL does not answer. Each key is for one algorithm, which is
told by what it is: RSA for RS256, P-256 for ES256, Ed25519 for EdDSA. Others are left out, and so
are keys to encrypt, secrets, and private keys that somebody published.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpx
import orjson
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from hub.core.errors import Unauthenticated, Unavailable
from hub.core.values import Json
from hub.enduring import Outage

AGE_S: Final = 600.0
PAUSE_S: Final = 10.0
READ_S: Final = 5.0
MOST_BYTES: Final = 262_144
MOST_KEYS: Final = 100
_ALGORITHMS: Final = {"RSA": "RS256", "EC P-256": "ES256", "OKP Ed25519": "EdDSA"}
ALGORITHMS: Final = tuple(_ALGORITHMS.values())
log = structlog.get_logger("hub.identity")


class KeySet:
    """The keys by their `kid`. `clock` is in seconds and never goes back; `fault` is why the set
    could not be read when that was tried last, if it could not."""

    def __init__(
        self, url: str, client: httpx.AsyncClient, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._client = client
        self._clock = clock
        self._keys: dict[str, PyJWK] = {}
        self._said: dict[str, Json] = {}
        self._tried_s: float | None = None
        self.fault: str | None = None
        self._reading = asyncio.Lock()
        self._outage = Outage(log, "the keys that tokens are signed with cannot be read")

    def __len__(self) -> int:
        return len(self._keys)

    def known(self, kid: str) -> PyJWK | None:
        """The key of this id, as far as it is known; the same object for as long as it is the same
        key."""
        return self._keys.get(kid)

    async def key(self, kid: str) -> PyJWK:
        """The key of this id. For one that is not known the set is read again, unless it was
        within `PAUSE_S`. Raises Unauthenticated when there is none, and Unavailable when the set
        could not be read."""
        found = self._keys.get(kid)
        if found is None:
            await self.refresh()
            found = self._keys.get(kid)
        if found is not None:
            return found
        if self.fault is not None:
            raise Unavailable(
                "the keys that tokens are signed with cannot be read now; try again",
                code="AUTH_UNAVAILABLE", retry_after=PAUSE_S,
            )  # fmt: skip
        raise Unauthenticated("the token is signed with a key (kid) that is not in the key set")

    async def run(self) -> None:
        """Read the set now and then, so that a key that was withdrawn is forgotten."""
        while True:
            await self.refresh()
            await asyncio.sleep(AGE_S if self.fault is None else PAUSE_S)

    async def refresh(self) -> None:
        """Read the set, once for all who ask meanwhile, unless that was tried just now."""
        if self._tried_lately and not self._reading.locked():
            return
        async with self._reading:
            if self._tried_lately:
                return
            self._tried_s = self._clock()  # even if this is cancelled
            try:
                self._take(await self._read())
            except (TimeoutError, ValueError, httpx.HTTPError) as error:
                self.fault = str(error) or type(error).__name__
            else:
                self.fault = None
            self._outage.saw(self.fault)
            self._tried_s = self._clock()

    @property
    def _tried_lately(self) -> bool:
        return self._tried_s is not None and self._clock() - self._tried_s < PAUSE_S

    async def _read(self) -> Any:
        """What the URL answers, as JSON; ValueError when it is no answer."""
        async with asyncio.timeout(READ_S), self._client.stream("GET", self._url) as answer:
            if answer.status_code != 200:
                raise ValueError(f"it answered with status {answer.status_code}")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise ValueError("it answered with a Content-Encoding; identity was asked")
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > MOST_BYTES:
                    raise ValueError(f"it answered with more than {MOST_BYTES} bytes")
        return orjson.loads(body)

    def _take(self, answer: Any) -> None:
        """The keys of an answer from now on; ValueError when it has none that can be used."""
        listed = answer.get("keys") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            raise ValueError("it is no key set: an object with a list of keys")
        keys: dict[str, PyJWK] = {}
        said: dict[str, Json] = {}
        for each in listed[:MOST_KEYS]:
            kid = each.get("kid") if isinstance(each, dict) else None
            if not isinstance(kid, str) or kid in keys:
                continue
            made = self._keys[kid] if self._said.get(kid) == each else _key_of(each)
            if made is not None:
                keys[kid], said[kid] = made, each
        if not keys:
            kinds = ", ".join(ALGORITHMS)
            raise ValueError(f"it has no public key with a kid for any of {kinds}")
        self._keys, self._said = keys, said


def _key_of(said: Json) -> PyJWK | None:
    """The key, when it is one to verify with, and as long as it should be."""
    algorithm = _ALGORITHMS.get(
        " ".join(str(said[name]) for name in ("kty", "crv") if name in said)
    )
    if algorithm is None or said.get("alg", algorithm) != algorithm:
        return None
    if said.get("use", "sig") != "sig" or "d" in said:
        return None
    try:
        made = PyJWK(said, algorithm)
        return None if made.Algorithm.check_key_length(made.key) else made
    except (PyJWTError, UnsupportedAlgorithm, LookupError, TypeError, ValueError):
        return None


@contextlib.asynccontextmanager
async def open_key_set(url: str) -> AsyncIterator[KeySet]:
    """The keys behind a URL, which nobody else chooses: no proxy variables, redirects,
    compression or cookies."""
    async with httpx.AsyncClient(
        trust_env=False,
        follow_redirects=False,
        timeout=READ_S,
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    ) as client:
        yield KeySet(url, client)
