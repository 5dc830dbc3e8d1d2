"""`hub.service.access`: keys, tickets, log-ins, and how soon a revoked key stops."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from hub.core.errors import Conflict, Denied, Invalid, Missing, Unauthenticated
from hub.core.ids import IdMaker
from hub.core.times import parse_rfc3339, rfc3339
from hub.core.values import Actor
from hub.parts import Parts, now_ms
from hub.ports import Page, Store
from hub.service.access import LOGIN_KEY_MS, Access
from hub.service.requests import request_key
from hub.service.taken import Taken
from hub.service.tickets import Tickets
from hub.wire.bodies import validate
from hub.wire.requests import CreateKey, CreateTicket
from tests.support.parts import ADMIN, ALICE, BOB, RIVAL, Ticker, actor

PATIENCE_S = 5.0


@pytest.fixture
def clock() -> Ticker:
    """Begins now: what is a day old may be forgotten at any time."""
    return Ticker(now_ms())


@pytest.fixture
def access(parts: Parts, clock: Ticker) -> Access:
    return another(parts, clock)


def another(parts: Parts, clock: Ticker, seed: int = 1) -> Access:
    """Access of another gateway on the same database and bus."""
    tickets = Tickets(parts.bus, clock, b"a secret")
    return Access(parts.store, tickets, IdMaker(clock, random.Random(seed).getrandbits), clock)


async def key_of(access: Access, who: Actor = ALICE, **fields: Any) -> tuple[str, str]:
    """A new key's token and id."""
    made = await access.create_key(who, validate(CreateKey, {"name": "k"} | fields))
    return made["key"], made["id"]


async def test_a_key_speaks_for_its_participant(access: Access) -> None:
    token, key_id = await key_of(access)
    assert token.startswith("rhk_")
    for _ in range(2):  # read, then known
        found = await access.authenticate(token)
        assert (found.author, found.tenant_id, found.key_id) == (ALICE.author, "acme", key_id)


@pytest.mark.parametrize(
    "mangle",
    [
        lambda t: t[:-1], lambda t: t + "x", lambda t: t[4:], lambda t: t.upper(),
        lambda t: "rhk_" + t, lambda t: t.replace("_", "-"), lambda t: t.rpartition("_")[0],
        lambda t: "", lambda t: "rhk_", lambda t: "rhk__", lambda t: "rhk_x_y", lambda t: "rhk_\0_",
        lambda t: t[:8] + "ü" + t[9:], lambda t: t + "\ud800", lambda t: " " + t,
    ],
)  # fmt: skip
async def test_anything_else_is_no_key(mangle: Any, access: Access) -> None:
    token, _ = await key_of(access)
    bad = mangle(token)
    with pytest.raises(Unauthenticated):
        await access.authenticate(bad)


async def test_another_secret_for_a_known_key_is_refused(access: Access) -> None:
    token, other = (await key_of(access))[0], (await key_of(access))[0]
    await access.authenticate(token)
    mixed = token[: token.index("_", 4)] + other[other.index("_", 4) :]
    assert access.cached(mixed) is None
    with pytest.raises(Unauthenticated):
        await access.authenticate(mixed)


async def test_the_secret_is_nowhere_in_the_database(access: Access, parts: Parts) -> None:
    token, _ = await key_of(access)
    secret = token[token.index("_", 4) + 1 :]
    tables = ("api_keys", "audit_log", "idempotency")
    stored = await parts.store.database.read(
        lambda c: [tuple(r) for t in tables for r in c.execute(text(f"SELECT * FROM {t}"))]
    )
    assert len(stored) == 2
    assert secret not in repr(stored)


async def test_an_expired_key_stops_even_where_it_was_known(access: Access, clock: Ticker) -> None:
    token, _ = await key_of(access, expires_at=rfc3339(clock() + 1_000))
    await access.authenticate(token)
    clock.at_ms += 999
    assert access.cached(token) is not None
    clock.at_ms += 1
    assert access.cached(token) is None
    with pytest.raises(Unauthenticated, match="expired"):
        await access.authenticate(token)


async def test_a_key_cannot_be_made_to_end_in_the_past(access: Access, clock: Ticker) -> None:
    with pytest.raises(Invalid) as caught:
        await key_of(access, expires_at=rfc3339(clock()))
    assert caught.value.details[0].field == "expires_at"


async def test_a_revoked_key_stops_at_once_where_it_was_revoked(access: Access) -> None:
    token, key_id = await key_of(access)
    await access.authenticate(token)
    revoked = await access.revoke(ALICE, key_id)
    assert revoked.revoked_ms is not None
    with pytest.raises(Unauthenticated):
        await access.authenticate(token)


async def test_who_is_served_for_long_is_served_while_the_key_is_good(
    access: Access, clock: Ticker
) -> None:
    token, key_id = await key_of(access)
    short, _ = await key_of(access, expires_at=rfc3339(clock() + 1_000))
    lasting, passing = [await access.authenticate(each) for each in (token, short)]
    access.check(passing)
    clock.at_ms += 1_000
    with pytest.raises(Unauthenticated, match="expired"):
        access.check(passing)
    access.check(lasting)
    await access.revoke(ALICE, key_id)
    with pytest.raises(Unauthenticated, match="revoked"):
        access.check(lasting)


@contextlib.asynccontextmanager
async def watching(store: Store, access: Access) -> AsyncIterator[asyncio.Queue[str]]:
    """Its gateway, as far as it reads what was taken away."""
    told: asyncio.Queue[str] = asyncio.Queue()

    def heard(kind: str, subject_id: str) -> None:
        access.forget(subject_id)
        told.put_nowait(subject_id)

    taken = Taken(store.access_changes, heard)
    await taken.begin()
    task = asyncio.create_task(taken.watch())
    try:
        yield told
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_another_gateway_learns_of_a_revocation_from_the_database(
    access: Access, parts: Parts, clock: Ticker
) -> None:
    other = another(parts, clock, 2)
    token, key_id = await key_of(access)
    await other.authenticate(token)
    async with watching(parts.store, other) as told:
        await access.revoke(ALICE, key_id)
        async with asyncio.timeout(PATIENCE_S):
            assert await told.get() == key_id
        assert other.cached(token) is None
        with pytest.raises(Unauthenticated):
            await other.authenticate(token)


async def test_revocations_are_learned_once_whatever_the_clocks_say(
    access: Access, parts: Parts, clock: Ticker
) -> None:
    """A clock that is an hour ahead does not hide what comes after by the others."""
    ahead, behind = another(parts, Ticker(clock() + 3_600_000), 3), another(parts, clock, 4)
    keys = [(await key_of(access))[1] for _ in range(4)]
    async with watching(parts.store, access) as told, asyncio.timeout(PATIENCE_S):
        for key_id, by in zip(keys, (behind, ahead, behind, ahead), strict=True):
            await by.revoke(ALICE, key_id)
            assert key_id == await told.get()
        await behind.revoke(ALICE, keys[0])
        assert told.empty()


async def test_a_disabled_participant_has_no_good_key(access: Access, parts: Parts) -> None:
    token, _ = await key_of(access, BOB)
    await parts.store.participants.update("acme", "user_bob", {"disabled_ms": 1})
    with pytest.raises(Unauthenticated):
        await access.authenticate(token)


async def test_users_make_keys_for_themselves_and_admins_for_anybody(access: Access) -> None:
    with pytest.raises(Denied):
        await key_of(access, ALICE, participant_id="user_bob")
    with pytest.raises(Denied):
        await key_of(access, ALICE, role="tenant_admin")
    token, _ = await key_of(access, ADMIN, participant_id="user_bob", role="tenant_admin")
    found = await access.authenticate(token)
    assert (found.id, found.is_admin) == ("user_bob", True)
    with pytest.raises(Invalid) as caught:
        await key_of(access, ADMIN, participant_id="user_nobody")
    assert caught.value.details[0].field == "participant_id"


async def test_a_foreign_key_is_a_missing_one(access: Access) -> None:
    _, key_id = await key_of(access)
    for who in (BOB, actor("user_alice", RIVAL), actor("user_admin", RIVAL, "tenant_admin")):
        with pytest.raises(Missing) as caught:
            await access.revoke(who, key_id)
        assert caught.value.message == "no such key"
    with pytest.raises(Missing, match="no such key"):
        await access.revoke(ALICE, "key_none")
    assert (await access.revoke(ADMIN, key_id)).id == key_id


async def test_who_sees_which_keys(access: Access) -> None:
    mine, bobs = (await key_of(access))[1], (await key_of(access, BOB))[1]
    assert [k.id for k in await access.keys(ALICE, Page(10))] == [mine]
    assert {k.id for k in await access.keys(ADMIN, Page(10))} == {mine, bobs}


async def test_the_same_request_makes_one_key_and_shows_its_secret_once(access: Access) -> None:
    body = validate(CreateKey, {"name": "k"})
    request = request_key(ALICE, "keys", "once", body)
    first = await access.create_key(ALICE, body, request)
    again = await access.create_key(ALICE, body, request)
    assert (again["id"], again["key"]) == (first["id"], None)


async def test_a_ticket_is_good_once_and_for_its_purpose(access: Access) -> None:
    token, key_id = await key_of(access)
    me = await access.authenticate(token)
    ws = (await access.create_ticket(me, "ws"))["ticket"]
    assert (await access.redeem(ws, "ws")).key_id == key_id
    with pytest.raises(Unauthenticated):
        await access.redeem(ws, "ws")
    login = (await access.create_ticket(me, "login"))["ticket"]
    with pytest.raises(Unauthenticated):
        await access.redeem(login, "ws")
    with pytest.raises(Unauthenticated):
        await access.redeem("rht_invented", "ws")


async def test_a_retry_for_a_ticket_gets_the_same_and_it_is_good_once(access: Access) -> None:
    me = await access.authenticate((await key_of(access))[0])
    body = validate(CreateTicket, {"purpose": "ws"})
    request = request_key(me, "tickets", "once", body)
    first = await access.create_ticket(me, "ws", request)
    assert first == await access.create_ticket(me, "ws", request)
    await access.redeem(first["ticket"], "ws")
    assert first == await access.create_ticket(me, "ws", request)
    with pytest.raises(Unauthenticated):
        await access.redeem(first["ticket"], "ws")
    with pytest.raises(Conflict) as caught:
        await access.create_ticket(me, "login", request)
    assert "IDEMPOTENCY_CONFLICT" == caught.value.code
    other = await access.create_ticket(me, "ws", request_key(me, "tickets", "twice", body))
    assert first["ticket"] != other["ticket"]


async def test_a_ticket_does_not_outlive_its_participant(access: Access, parts: Parts) -> None:
    me = await access.authenticate((await key_of(access))[0])
    ticket = (await access.create_ticket(me, "ws"))["ticket"]
    await parts.participants.disable(ADMIN, ALICE.id)
    with pytest.raises(Unauthenticated):
        await access.redeem(ticket, "ws")


async def test_a_ticket_does_not_outlive_its_key(access: Access, clock: Ticker) -> None:
    token, key_id = await key_of(access, expires_at=rfc3339(clock() + 1_000))
    me = await access.authenticate(token)
    tickets = [(await access.create_ticket(me, "ws"))["ticket"] for _ in range(2)]
    clock.at_ms += 2_000
    with pytest.raises(Unauthenticated):
        await access.redeem(tickets[0], "ws")
    clock.at_ms -= 2_000
    await access.revoke(ALICE, key_id)
    with pytest.raises(Unauthenticated):
        await access.redeem(tickets[1], "ws")


async def test_a_socket_takes_a_key_or_a_ticket_and_nothing_else(access: Access) -> None:
    token, _ = await key_of(access)
    me = await access.authenticate(token)
    assert (await access.authenticate_socket(token)).id == me.id
    assert (await access.authenticate_socket((await access.create_ticket(me, "ws"))["ticket"])).id
    with pytest.raises(Unauthenticated):
        await access.authenticate_socket((await access.create_ticket(me, "login"))["ticket"])


async def test_a_log_in_gives_a_key_for_twelve_hours(access: Access, clock: Ticker) -> None:
    me = await access.authenticate((await key_of(access))[0])
    made = await access.log_in((await access.create_ticket(me, "login"))["ticket"])
    assert parse_rfc3339(made["expires_at"]) == clock() + LOGIN_KEY_MS
    assert (await access.authenticate(made["key"])).id == me.id
