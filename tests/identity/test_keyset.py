"""`hub.identity.keyset`: keys from a real server, which changes them, is slow, lies or is away."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from hub.core.errors import HubError, Unauthenticated, Unavailable
from hub.identity import keyset as module
from hub.identity.keyset import MOST_BYTES, PAUSE_S, KeySet, open_key_set
from hub.identity.tokens import Tokens
from hub.parts import now_ms
from tests.support.issuer import AUDIENCE, ISSUER, SHORT, Issuer, Pair, claims, run_issuer
from tests.support.redis import until

OLD, NEW = Pair("ES256", "old", 1), Pair("ES256", "new", 2)


class Clock:
    """Seconds that a test moves."""

    now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with run_issuer(OLD) as running:
        yield running


@pytest.fixture
async def keys(issuer: Issuer, clock: Clock) -> AsyncIterator[KeySet]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield KeySet(issuer.url, client, clock)


@pytest.fixture
def tokens(keys: KeySet) -> Tokens:
    return Tokens(AUDIENCE, ISSUER, None, keys, now_ms)


async def test_a_key_is_read_once_for_all_who_ask(keys: KeySet, issuer: Issuer) -> None:
    found = await asyncio.gather(*(keys.key("old") for _ in range(50)))
    assert 1 == len({id(key) for key in found})
    assert found[0] is keys.known("old")
    assert ["/jwks"] == issuer.asked


async def test_a_new_key_is_found_when_a_token_names_it(
    tokens: Tokens, issuer: Issuer, clock: Clock
) -> None:
    before = OLD.sign(claims())
    await tokens.read(before)
    issuer.keys = [OLD.published(), NEW.published()]
    clock.now_s += PAUSE_S
    assert await tokens.read(NEW.sign(claims()))
    assert tokens.known(before) is not None
    assert 2 == len(issuer.asked)


async def test_unknown_keys_ask_no_more_often_than_that(
    keys: KeySet, issuer: Issuer, clock: Clock
) -> None:
    await keys.key("old")
    for number in range(100):
        with pytest.raises(Unauthenticated, match="not in the key set"):
            await keys.key(f"made-up-{number}")
    assert 1 == len(issuer.asked)
    clock.now_s += PAUSE_S
    made_up = [keys.key(f"made-up-{number}") for number in range(100)]
    refused = await asyncio.gather(*made_up, return_exceptions=True)
    assert {Unauthenticated} == {type(error) for error in refused}
    assert 2 == len(issuer.asked)


async def test_a_key_that_was_withdrawn_is_good_no_longer_even_where_it_was_known(
    tokens: Tokens, keys: KeySet, issuer: Issuer, clock: Clock
) -> None:
    token = OLD.sign(claims())
    await tokens.read(token)
    issuer.keys = [NEW.published()]
    clock.now_s += PAUSE_S
    await keys.refresh()
    assert tokens.known(token) is None
    with pytest.raises(Unauthenticated, match="not in the key set"):
        await tokens.read(token)


async def test_a_kid_that_became_another_key_is_that_key(
    tokens: Tokens, keys: KeySet, issuer: Issuer, clock: Clock
) -> None:
    token = OLD.sign(claims())
    await tokens.read(token)
    issuer.keys = [NEW.published(kid="old")]
    clock.now_s += PAUSE_S
    await keys.refresh()
    assert tokens.known(token) is None
    with pytest.raises(Unauthenticated, match="signature"):
        await tokens.read(token)
    assert await tokens.read(NEW.sign(claims(), kid="old"))


FAILURES: dict[str, dict[str, Any]] = {
    "status": {"status": 500},
    "moved": {"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}},
    "no JSON": {"body": b"<html>"},
    "no object": {"body": b"[]"},
    "no list": {"body": b'{"keys": {}}'},
    "no keys": {"keys": []},
    "too much": {"body": b" " * (MOST_BYTES + 1)},
    "packed": {"body": gzip.compress(b"{}"), "headers": {"Content-Encoding": "gzip"}},
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_key_that_is_known_stays_so_while_the_server_fails(
    name: str, tokens: Tokens, keys: KeySet, issuer: Issuer, clock: Clock
) -> None:
    known = OLD.sign(claims())
    await tokens.read(known)
    for field, value in FAILURES[name].items():
        setattr(issuer, field, value)
    clock.now_s += PAUSE_S
    with pytest.raises(Unavailable, match="try again") as refused:
        await tokens.read(NEW.sign(claims()))
    assert ("AUTH_UNAVAILABLE", 503, PAUSE_S) == (
        refused.value.code, refused.value.status, refused.value.retry_after,
    )  # fmt: skip
    assert tokens.known(known) is not None
    assert await tokens.read(OLD.sign(claims("user_bob")))
    assert 2 == len(issuer.asked)
    with pytest.raises(Unavailable):  # and it is not asked again at once
        await tokens.read(NEW.sign(claims()))
    assert 2 == len(issuer.asked)


async def test_a_server_that_is_away_and_comes_back(clock: Clock) -> None:
    with run_issuer(OLD, NEW) as gone:
        url = gone.url
    async with httpx.AsyncClient(trust_env=False) as client:
        keys = KeySet(url, client, clock)
        with pytest.raises(Unavailable):
            await keys.key("old")
        with run_issuer(OLD) as back:
            keys._url = back.url
            with pytest.raises(Unavailable):
                await keys.key("old")
            clock.now_s += PAUSE_S
            assert await keys.key("old")


async def test_a_server_that_hangs_is_waited_for_so_long(
    keys: KeySet, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_S", 0.05)
    issuer.hangs.clear()
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await keys.key("old")


async def test_who_gives_up_takes_the_answer_from_nobody(keys: KeySet, issuer: Issuer) -> None:
    issuer.hangs.clear()
    first = asyncio.create_task(keys.key("old"))
    await until(lambda: bool(issuer.asked))
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    issuer.hangs.set()
    with pytest.raises(HubError):  # it was asked just now
        await keys.key("old")
    assert 1 == len(issuer.asked)


@pytest.mark.parametrize(
    "published",
    [
        Pair("RS512", "x").published(),
        Pair("RS256", "x").published(alg="PS256"),
        Pair("RS256", "x").published(use="enc"),
        Pair("RS256", "x").published(d="AQAB"),
        Pair("RS256", "x").published(n=None),
        Pair("RS256", "x").published(n="AQAB"),
        Pair("RS256", "x").published(n=7),
        Pair("RS256", "x", SHORT).published(),
        Pair("RS256", "x").published(kty=["RSA"]),
        Pair("RS256", "x").published(crv="P-256"),
        Pair("ES384", "x").published(),
        Pair("ES384", "x").published(alg="ES256"),
        Pair("ES256", "x").published(x="AQAB"),
        Pair("EdDSA", "x").published(crv="X25519"),
        Pair("RS256", "x").published(kid=None),
        Pair("RS256", "x").published(kid=7),
        {"kty": "oct", "kid": "x", "k": "c2VjcmV0" * 6, "alg": "HS256"},
        {"kty": "RSA", "kid": "x"},
        "x",
        None,
    ],
)
async def test_what_is_no_key_to_verify_with_is_left_out(
    published: Any, keys: KeySet, issuer: Issuer
) -> None:
    issuer.keys = [published, OLD.published()]
    with pytest.raises(Unauthenticated, match="not in the key set"):
        await keys.key("x")
    assert await keys.key("old")


@pytest.mark.parametrize("pair", [Pair("RS256", "x"), Pair("ES256", "x"), Pair("EdDSA", "x")])
async def test_a_key_need_not_say_what_it_is_for(pair: Pair, keys: KeySet, issuer: Issuer) -> None:
    issuer.keys = [pair.published(use=None, alg=None, key_ops=None)]
    assert pair.algorithm == (await keys.key("x")).algorithm_name


async def test_the_set_is_read_before_anybody_asks(issuer: Issuer) -> None:
    async with open_key_set(issuer.url) as keys:
        work = asyncio.create_task(keys.run())
        await until(lambda: keys.known("old") is not None)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
    assert 1 == len(issuer.asked)


async def test_of_two_keys_under_one_kid_the_one_that_can_be_used_is_taken(
    keys: KeySet, issuer: Issuer
) -> None:
    other = Pair("RS256", "old").published(use="enc")
    issuer.keys = [other, OLD.published(), other]
    assert "ES256" == (await keys.key("old")).algorithm_name


async def test_an_answer_that_is_too_large_is_no_key_set(keys: KeySet, issuer: Issuer) -> None:
    issuer.body = issuer.answer() + b" " * MOST_BYTES
    with pytest.raises(Unavailable):
        await keys.key("old")
