"""`hub.identity.tokens`: which tokens are good. Their keys come from a real server."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from hub.core.claims import Claims
from hub.core.errors import Unauthenticated
from hub.core.values import Json
from hub.identity import tokens as module
from hub.identity.keyset import open_key_set
from hub.identity.tokens import TOKEN_BYTES, Tokens
from hub.parts import now_ms
from tests.support.issuer import (
    AUDIENCE,
    ISSUER,
    SECRET,
    Issuer,
    Pair,
    claims,
    run_issuer,
    shared,
)
from tests.support.parts import Ticker

RSA, EC, ED = Pair("RS256", "rsa"), Pair("ES256", "ec"), Pair("EdDSA", "ed")
PAIRS = (RSA, EC, ED)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with run_issuer(*PAIRS) as running:
        yield running


@contextlib.asynccontextmanager
async def reading(url: str, secret: str | None = SECRET) -> AsyncIterator[Tokens]:
    async with open_key_set(url) as keys:
        yield Tokens(AUDIENCE, ISSUER, secret, keys, now_ms)


def by_secret(clock: Ticker | None = None) -> Tokens:
    return Tokens(AUDIENCE, ISSUER, SECRET, None, clock or now_ms)


def encoded(part: object) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header: object, said: object, key: bytes) -> str:
    """A token as an attacker makes it, whom no library keeps from it: HMAC with any key."""
    signed = f"{encoded(header)}.{encoded(said)}"
    return f"{signed}.{encoded(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def changed(token: str, part: int, text: str) -> str:
    parts = token.split(".")
    parts[part] = text
    return ".".join(parts)


async def test_a_token_by_the_secret_is_read_and_then_known() -> None:
    tokens, token = by_secret(), shared(claims())
    assert tokens.known(token) is None
    found = await tokens.read(token)
    assert ("default", "user_alice") == (found.tenant_id, found.participant_id)
    assert found is tokens.known(token)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.algorithm)
async def test_a_token_by_a_key_of_the_set_is_read(pair: Pair, issuer: Issuer) -> None:
    async with reading(issuer.url, None) as tokens:
        token = pair.sign(claims())
        assert isinstance(await tokens.read(token), Claims)
        assert tokens.known(token) is not None


def lasting(**others: Any) -> Json:
    """Claims of a token that is made before any test runs, and that ends behind the last one."""
    return claims(**{"exp": int(time.time()) + 12 * 3600} | others)


GOOD = lasting()
BAD: dict[str, tuple[str, str]] = {
    "nothing": ("", "three parts"),
    "two parts": ("a.b", "three parts"),
    "five parts": (".".join("abcde"), "three parts"),
    "no base64": ("a.b.ü", "three parts"),
    "a surrogate": (shared(GOOD) + "\ud800", "three parts"),
    "spaces": (f" {shared(GOOD)}", "three parts"),
    "too long": (shared(GOOD | {"more": "x" * TOKEN_BYTES}), "too long"),
    "no signature": (changed(shared(GOOD), 2, ""), "three parts"),
    "half a signature": (shared(GOOD)[:-11], "signature"),
    "header is no object": (by_hand([], GOOD, SECRET.encode()), "cannot be read"),
    "header is no JSON": (by_hand(b"{", GOOD, SECRET.encode()), "cannot be read"),
    "claims are no object": (by_hand({"alg": "HS256"}, [1], SECRET.encode()), "cannot be read"),
    "claims are no JSON": (by_hand({"alg": "HS256"}, b"\xff", SECRET.encode()), "cannot be read"),
    "deep claims": (by_hand({"alg": "HS256"}, b"[" * 5_000, SECRET.encode()), "cannot be read"),
    "no algorithm": (by_hand({}, GOOD, SECRET.encode()), "must be signed with"),
    "algorithm of another kind": (by_hand({"alg": ["HS256"]}, GOOD, b"x"), "must be signed with"),
    "critical": (
        by_hand({"alg": "HS256", "crit": ["x"], "x": 1}, GOOD, SECRET.encode()), "cannot be read",
    ),
    "detached": (
        by_hand({"alg": "HS256", "b64": False, "crit": ["b64"]}, b"", SECRET.encode()),
        "three parts",
    ),
    "none": (f"{encoded({'alg': 'none'})}.{encoded(GOOD)}.{encoded(b'x')}", "must be signed with"),
    "HS512": (shared(GOOD, SECRET * 2, "HS512"), "must be signed with"),
    "another secret": (shared(GOOD, "x" * 40), "signature"),
    "other claims": (
        changed(shared(GOOD), 1, encoded(GOOD | {"sub": "user_bob"})), "signature",
    ),
    "other issuer": (shared(lasting(iss="https://evil.example")), f"must be {ISSUER}"),
    "no issuer": (shared(lasting(iss=None)), f"must be {ISSUER}"),
    "issuer is a list": (by_hand({"alg": "HS256"}, GOOD | {"iss": [ISSUER]}, SECRET.encode()),
                         f"must be {ISSUER}"),
    "other audience": (shared(lasting(aud="https://other.example")), f"must be {AUDIENCE}"),
    "no audience": (shared(lasting(aud=None)), f"must be {AUDIENCE}"),
    "audience longer": (shared(lasting(aud=f"{AUDIENCE}/x")), f"must be {AUDIENCE}"),
    "audience is an object": (shared(lasting(aud={AUDIENCE: 1})), f"must be {AUDIENCE}"),
    "expired": (shared(lasting(exp=1_700_000_000)), "expired"),
    "without end": (shared(lasting(exp=None)), "exp"),
    "for ever": (shared(lasting(exp=2**39)), "24 hours"),
    "not yet": (shared(lasting(nbf=2**39)), "nbf"),
    "of nobody": (shared(lasting(sub=None)), "sub"),
    "scopes of its own": (shared(lasting(scopes=["admin"])), "scopes"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_token_is_refused_and_never_echoed(name: str) -> None:
    token, why = BAD[name]
    tokens = by_secret()
    for _ in range(2):
        with pytest.raises(Unauthenticated, match=why) as refused:
            await tokens.read(token)
        assert ("AUTH_TOKEN_INVALID", 401) == (refused.value.code, refused.value.status)
        assert len(refused.value.message.encode()) <= 123  # the reason of a Close holds no more
        assert tokens.known(token) is None
        for part in token.split("."):
            assert len(part) < 8 or part not in refused.value.message


def confused(algorithm: str, pair: Pair) -> list[str]:
    """A public key is known to everybody: as a secret it would let everybody sign."""
    header = {"alg": algorithm, "kid": pair.kid}
    published = json.dumps(pair.published()).encode()
    pem = pair.public_pem
    return [by_hand(header, GOOD, key) for key in (pem, pem.strip(), published, b"", b"\0")]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.algorithm)
@pytest.mark.parametrize("secret", [None, SECRET], ids=["alone", "beside a secret"])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "none", "RS256", "ES256"])
async def test_no_public_key_is_taken_for_a_secret(
    algorithm: str, secret: str | None, pair: Pair, issuer: Issuer
) -> None:
    async with reading(issuer.url, secret) as tokens:
        for token in confused(algorithm, pair):
            with pytest.raises(Unauthenticated):
                await tokens.read(token)


async def test_a_key_is_for_its_own_algorithm_alone(issuer: Issuer) -> None:
    async with reading(issuer.url) as tokens:
        for pair in PAIRS:
            for other in PAIRS:
                if pair is not other:
                    with pytest.raises(Unauthenticated, match="alg is not that of the key"):
                        await tokens.read(pair.sign(GOOD, kid=other.kid))
        wide = Pair("RS512", "rsa")
        with pytest.raises(Unauthenticated, match="must be signed with"):
            await tokens.read(wide.sign(GOOD))


async def test_a_token_signed_by_somebody_else_is_refused(issuer: Issuer) -> None:
    async with reading(issuer.url) as tokens:
        for pair in PAIRS:
            forged = Pair(pair.algorithm, pair.kid, number=2)
            with pytest.raises(Unauthenticated, match="signature"):
                await tokens.read(forged.sign(GOOD))
            short = changed(pair.sign(GOOD), 2, encoded(b"short"))
            with pytest.raises(Unauthenticated, match="signature"):
                await tokens.read(short)


async def test_keys_that_a_token_brings_along_are_not_used(issuer: Issuer) -> None:
    own = Pair("RS256", "mine", number=3)
    header = {"jwk": own.published(), "jku": issuer.url, "x5u": issuer.url}
    async with reading(issuer.url) as tokens:
        before = len(issuer.asked)
        for kid in ("rsa", "mine"):
            with pytest.raises(Unauthenticated):
                await tokens.read(own.sign(GOOD, **header | {"kid": kid}))
        assert {"/jwks"} == set(issuer.asked[before:])


@pytest.mark.parametrize("kid", [None, 7, ["rsa"]])
async def test_a_token_must_name_its_key(kid: object, issuer: Issuer) -> None:
    async with reading(issuer.url) as tokens:
        token = RSA.sign(GOOD)
        header: Json = {"alg": "RS256"} if kid is None else {"alg": "RS256", "kid": kid}
        with pytest.raises(Unauthenticated, match=r"kid|cannot be read"):
            await tokens.read(changed(token, 0, encoded(header)))


async def test_without_a_secret_nothing_is_signed_with_one(issuer: Issuer) -> None:
    async with reading(issuer.url, None) as tokens:
        for secret in (SECRET, "roomhub" * 5):
            with pytest.raises(Unauthenticated, match="must be signed with RS256 or ES256"):
                await tokens.read(shared(GOOD, secret))


async def test_an_audience_of_several_is_good_with_ours_among_them() -> None:
    token = shared(claims(aud=["https://other.example", AUDIENCE]))
    assert await by_secret().read(token)


async def test_any_issuer_will_do_where_none_is_set() -> None:
    tokens = Tokens(AUDIENCE, None, SECRET, None, now_ms)
    assert await tokens.read(shared(claims(iss="anybody")))
    assert await tokens.read(shared(claims(iss=None)))


async def test_what_was_verified_is_good_until_the_token_ends() -> None:
    clock = Ticker()
    tokens, now_s = by_secret(clock), clock.at_ms // 1000
    token = shared(claims(now_s=now_s))
    await tokens.read(token)
    clock.at_ms += 299_999
    assert tokens.known(token) is not None
    clock.at_ms += 1
    assert tokens.known(token) is None
    with pytest.raises(Unauthenticated, match="expired"):
        await tokens.read(token)


async def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN", 3)
    tokens = by_secret()
    made = [shared(claims(f"user_{number}")) for number in range(5)]
    for token in made:
        await tokens.read(token)
    assert [False, False, True, True, True] == [tokens.known(t) is not None for t in made]
    assert await tokens.read(made[0])
