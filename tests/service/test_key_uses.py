"""`hub.service.key_uses`: when keys were used is noted without waiting, and written together."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from structlog.testing import capture_logs

from hub.core.errors import Unauthenticated, Unavailable
from hub.core.ids import IdMaker
from hub.core.values import ApiKey, token_key
from hub.parts import Parts, now_ms
from hub.ports import KeyStore, Page
from hub.service.access import Access
from hub.service.key_uses import AT_ONCE, KeyUses
from hub.service.tickets import Tickets
from hub.store.keys import SqlKeys
from hub.wire.bodies import validate
from hub.wire.requests import CreateKey
from tests.support.parts import ACME, ADMIN, ALICE, AT_MS, Ticker

MINUTE_MS = 60_000


class Keys(SqlKeys):
    """Counts what is written, and cannot be reached when told so."""

    fault: Exception | None = None

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.store.database)
        self.written: list[dict[str, int]] = []

    async def used(self, last_ms: Mapping[str, int]) -> None:
        if self.fault is not None:
            raise self.fault
        self.written.append(dict(last_ms))
        await super().used(last_ms)


@pytest.fixture
def keys(parts: Parts) -> Keys:
    return Keys(parts)


async def add_key(keys: KeyStore, key_id: str) -> None:
    key = ApiKey(key_id, ACME, "user_alice", "k", "tenant_user", AT_MS, None, None)
    await keys.create(key, "digest", None, None)


async def stored(keys: KeyStore) -> dict[str, int | None]:
    return {each.id: each.last_used_ms for each in await keys.page(ACME, None, Page(1000))}


async def test_a_key_is_written_once_however_often_it_was_used(keys: Keys) -> None:
    await add_key(keys, "key_1")
    await add_key(keys, "key_2")
    uses = KeyUses(keys, Ticker())
    for at_ms in (1, 2, 3):
        uses.note("key_1", at_ms)
    await uses.flush()
    assert [{"key_1": 3}] == keys.written
    assert {"key_1": 3, "key_2": None} == await stored(keys)


async def test_nothing_is_written_when_nothing_was_used(keys: Keys) -> None:
    uses = KeyUses(keys, Ticker())
    await uses.flush()
    uses.note("key_1", 1)
    await uses.flush()
    await uses.flush()
    assert [{"key_1": 1}] == keys.written


async def test_what_is_open_by_a_token_uses_no_key(keys: Keys) -> None:
    await add_key(keys, "key_1")
    uses = KeyUses(keys, Ticker())
    uses.live.append(lambda: [token_key(ACME, "user_alice"), "key_1"])
    await uses.flush()
    assert [["key_1"]] == [[*each] for each in keys.written]


async def test_what_is_open_uses_its_key_as_long_as_it_lasts(keys: Keys) -> None:
    await add_key(keys, "key_1")
    clock, open_now = Ticker(), ["key_1"]
    uses = KeyUses(keys, clock)
    uses.live.append(lambda: open_now)
    await uses.flush()
    clock.at_ms += MINUTE_MS
    await uses.flush()
    open_now.clear()
    clock.at_ms += MINUTE_MS
    await uses.flush()
    assert {"key_1": AT_MS + MINUTE_MS} == await stored(keys)
    assert 2 == len(keys.written)


@pytest.mark.parametrize("fault", [Unavailable("away"), ValueError("what nobody expected")])
async def test_what_could_not_be_written_is_kept_whatever_happened(
    keys: Keys, fault: Exception
) -> None:
    for n in (1, 2, 3):
        await add_key(keys, f"key_{n}")
    uses = KeyUses(keys, Ticker())
    uses.note("key_1", 1)
    uses.note("key_2", 1)
    keys.fault = fault
    await uses.flush()
    uses.note("key_2", 2)
    uses.note("key_3", 2)
    keys.fault = None
    await uses.flush()
    assert {"key_1": 1, "key_2": 2, "key_3": 2} == await stored(keys)


async def test_a_database_that_is_away_is_told_once(keys: Keys) -> None:
    uses = KeyUses(keys, Ticker())
    uses.note("key_1", 1)
    keys.fault = Unavailable("the database is away")
    with capture_logs() as lines:
        for _ in range(5):
            await uses.flush()
        keys.fault = None
        await uses.flush()
        await uses.flush()
    assert ["warning", "info"] == [line["log_level"] for line in lines]
    assert "the database is away" == lines[0]["reason"]


async def test_of_many_keys_so_few_are_written_at_once(keys: Keys) -> None:
    """Posts wait for no more than that."""
    uses = KeyUses(keys, Ticker())
    for n in range(2 * AT_ONCE + 1):
        uses.note(f"key_{n}", 1)
    await uses.flush()
    assert [AT_ONCE, AT_ONCE, 1] == [len(each) for each in keys.written]


async def test_every_way_of_coming_in_is_a_use_and_a_refusal_is_none(parts: Parts) -> None:
    clock = Ticker(now_ms())
    tickets = Tickets(parts.bus, clock, b"a secret")
    make_ids = IdMaker(clock, random.Random(1).getrandbits)
    access = Access(parts.store, tickets, make_ids, clock)
    made = await access.create_key(ALICE, validate(CreateKey, {"name": "k"}))

    async def seen() -> int | None:
        (key,) = (k for k in await access.keys(ADMIN, Page(9)) if k.id == made["id"])
        return key.last_used_ms

    with pytest.raises(Unauthenticated):
        await access.authenticate(made["key"] + "x")
    assert await seen() is None
    actor = await access.authenticate(made["key"])
    assert clock.at_ms == await seen()
    with pytest.raises(Unauthenticated):
        clock.at_ms += 1
        await access.authenticate(made["key"] + "x")
    assert clock.at_ms - 1 == await seen()
    clock.at_ms += 1000
    assert access.cached(made["key"]) == actor
    assert clock.at_ms == await seen()
    clock.at_ms += 1000
    ticket = await access.create_ticket(actor, "ws")
    await access.authenticate_socket(ticket["ticket"])
    assert clock.at_ms == await seen()
    await access.uses.flush()
    other = Access(parts.store, tickets, make_ids, clock)
    assert [clock.at_ms] == [k.last_used_ms for k in await other.keys(ALICE, Page(9))]
