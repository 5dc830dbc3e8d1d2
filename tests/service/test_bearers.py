"""`hub.service.bearers`: who comes by a token, and what a token is not good for."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from hub.core.claims import Claims
from hub.core.errors import Denied, Unauthenticated
from hub.core.ids import IdMaker
from hub.core.times import rfc3339
from hub.core.values import Actor
from hub.identity.tokens import Tokens
from hub.parts import Parts, now_ms
from hub.ports import Page
from hub.service.access import Access
from hub.service.requests import request_key
from hub.service.taken import Taken
from hub.service.tickets import Tickets
from hub.wire.bodies import validate
from hub.wire.requests import CreateKey, CreateTicket
from tests.support.issuer import AUDIENCE, SECRET, claims, shared
from tests.support.parts import ADMIN, ALICE, BOB, Ticker


@pytest.fixture
def clock() -> Ticker:
    return Ticker(now_ms())


@pytest.fixture
def access(parts: Parts, clock: Ticker) -> Access:
    tickets = Tickets(parts.bus, clock, b"a secret")
    ids = IdMaker(clock, random.Random(1).getrandbits)
    return Access(parts.store, tickets, ids, clock, Tokens(AUDIENCE, None, SECRET, None, clock))


def token_of(clock: Ticker, sub: str = "user_alice", **others: Any) -> str:
    """A token of acme's, for five minutes from the clock's second on."""
    return shared(claims(sub, clock.at_ms // 1000, tenant="acme") | others)


async def test_a_token_speaks_for_a_participant_and_never_for_an_admin(
    access: Access, clock: Ticker
) -> None:
    for sub in ("user_alice", "user_admin"):
        token = token_of(clock, sub, role="tenant_admin")
        assert access.cached(token) is None
        for _ in range(2):  # read, then known
            found = await access.authenticate(token)
            assert ("acme", sub, "tenant_user") == (found.tenant_id, found.id, found.role)
            assert found.by_token and not found.is_admin
        assert found == access.cached(token) == await access.authenticate_socket(token)


async def test_many_who_come_at_once_are_each_who_their_token_says(
    access: Access, clock: Ticker
) -> None:
    names = ("user_alice", "user_bob", "user_carol", "user_nobody", "bot_own")
    asked = [
        access.authenticate(token_of(clock, sub, tenant=tenant))
        for sub in names
        for tenant in ("acme", "rival", "none")
    ]
    found = await asyncio.gather(*asked, return_exceptions=True)
    seen = [(a.id, a.tenant_id) if isinstance(a, Actor) else str(a) for a in found]
    there = {"acme", "rival"}
    assert seen == [
        (sub, tenant) if tenant in there and sub != "user_nobody"
        else f"there is no participant {sub}"
        for sub in names
        for tenant in ("acme", "rival", "none")
    ]  # fmt: skip


async def test_where_no_tokens_are_taken_it_is_said_how_they_would_be(
    parts: Parts, clock: Ticker
) -> None:
    off = Access(parts.store, Tickets(parts.bus, clock, b"s"), parts.ids, clock)
    assert off.cached(token_of(clock)) is None
    with pytest.raises(Unauthenticated, match="HUB_JWT_SECRET or HUB_JWT_JWKS_URL"):
        await off.authenticate(token_of(clock))


async def test_who_is_disabled_comes_by_no_token_even_one_that_was_known(
    access: Access, parts: Parts, clock: Ticker
) -> None:
    told = asyncio.Event()

    def heard(kind: str, subject_id: str) -> None:
        access.forget(subject_id)
        told.set()

    taken = Taken(parts.store.access_changes, heard)
    await taken.begin()
    watching = asyncio.create_task(taken.watch())
    token, other = token_of(clock, BOB.id), token_of(clock)
    bob = await access.authenticate(token)
    await access.authenticate(other)
    await parts.participants.disable(ADMIN, BOB.id)  # who has no key at all
    async with asyncio.timeout(1):
        await told.wait()
    watching.cancel()
    assert access.cached(token) is None
    assert access.revoked(bob.key_id)
    for late in (token, token_of(clock, BOB.id, iat=clock.at_ms // 1000 - 1)):
        with pytest.raises(Unauthenticated, match="disabled"):
            await access.authenticate(late)
    with pytest.raises(Unauthenticated, match="disabled"):
        access.check(bob)
    assert access.cached(other) is not None


async def test_the_database_is_asked_again_after_a_minute(
    access: Access, parts: Parts, clock: Ticker
) -> None:
    """As with keys: whatever a gateway has not heard of holds no longer than that."""
    token = token_of(clock, BOB.id)
    await access.authenticate(token)
    await parts.participants.disable(ADMIN, BOB.id)
    clock.at_ms += 59_999
    assert access.cached(token) is not None
    clock.at_ms += 1
    assert access.cached(token) is None
    with pytest.raises(Unauthenticated, match="disabled"):
        await access.authenticate(token)


async def test_a_token_ends_while_it_is_served(access: Access, clock: Ticker) -> None:
    token = token_of(clock, exp=clock.at_ms // 1000 + 60)
    found = await access.authenticate(token)
    access.check(found)
    clock.at_ms = found.expires_ms or 0
    assert access.cached(token) is None
    with pytest.raises(Unauthenticated, match="the token has expired"):
        access.check(found)
    with pytest.raises(Unauthenticated, match="the token has expired"):
        await access.authenticate(token)


@pytest.mark.parametrize("sub", ["user_alice", "user_admin"])
async def test_no_key_and_no_log_in_comes_of_a_token(
    sub: str, access: Access, parts: Parts, clock: Ticker
) -> None:
    found = await access.authenticate(token_of(clock, sub))
    for body in ({}, {"expires_at": rfc3339(clock.at_ms + 1000)}):
        with pytest.raises(Denied, match="a token makes no keys"):
            await access.create_key(found, validate(CreateKey, {"name": "k"} | body))
    with pytest.raises(Denied, match="no log-in tickets"):
        await access.create_ticket(found, "login")
    assert [] == await access.keys(ADMIN, Page(10))


async def test_a_ticket_has_the_rights_of_the_token_and_works_once(
    access: Access, clock: Ticker
) -> None:
    token = token_of(clock, scopes=["read"])
    found = await access.authenticate(token)
    ticket = (await access.create_ticket(found, "ws"))["ticket"]
    assert found == await access.redeem(ticket, "ws")
    with pytest.raises(Unauthenticated):
        await access.redeem(ticket, "ws")


async def test_a_ticket_does_not_outlive_its_token(access: Access, clock: Ticker) -> None:
    token = token_of(clock, exp=clock.at_ms // 1000 + 5)
    found = await access.authenticate(token)
    made = await access.create_ticket(found, "ws")
    assert rfc3339(found.expires_ms or 0) == made["expires_at"]
    clock.at_ms = found.expires_ms or 0
    with pytest.raises(Unauthenticated, match="the token behind the ticket has expired"):
        await access.redeem(made["ticket"], "ws")


async def test_a_ticket_is_not_good_for_who_was_disabled_since(
    access: Access, parts: Parts, clock: Ticker
) -> None:
    found = await access.authenticate(token_of(clock, BOB.id))
    ticket = (await access.create_ticket(found, "ws"))["ticket"]
    await parts.participants.disable(ADMIN, BOB.id)
    with pytest.raises(Unauthenticated, match="disabled"):
        await access.redeem(ticket, "ws")


async def test_a_ticket_that_is_asked_for_again_is_not_that_of_a_token_with_more_rights(
    access: Access, clock: Ticker
) -> None:
    body = validate(CreateTicket, {"purpose": "ws"})
    least = token_of(clock, scopes=["read"])
    tickets = []
    for token in (token_of(clock), least, token_of(clock, exp=clock.at_ms // 1000 + 60), least):
        found = await access.authenticate(token)
        key = request_key(found, f"tickets/{found.rights}", "the same", body)
        tickets.append((await access.create_ticket(found, "ws", key))["ticket"])
    assert tickets[1] == tickets[3]
    assert 3 == len(set(tickets))


async def test_what_a_token_does_is_written_down_under_its_participant(
    access: Access, parts: Parts, clock: Ticker
) -> None:
    """There is no key of that id, and nobody who reads the list needs one."""
    key = await access.create_key(ALICE, validate(CreateKey, {"name": "k"}))
    found = await access.authenticate(token_of(clock))
    await access.revoke(found, key["id"])
    record, *_ = await parts.store.audit.page("acme", Page(10))
    assert ("key.revoked", "user_alice", "jwt:acme:user_alice") == (
        record.action, record.actor_id, record.key_id,
    )  # fmt: skip
    with pytest.raises(Exception, match="no such key"):
        await access.revoke(found, found.key_id)


def test_what_stands_for_a_token_is_one_per_participant() -> None:
    one, other = (Claims("acme", "user_alice", ms) for ms in (1, 2))
    assert one.key_id == other.key_id
