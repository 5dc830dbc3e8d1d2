"""How long it takes to refuse a secret must say nothing about how much of it was right."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from hub.core.errors import Unauthenticated
from hub.core.ids import IdMaker
from hub.core.values import ApiKey
from hub.ports import StoredKey
from hub.service.access import Access, digest_of
from tests.support.parts import ACME, AT_MS, Ticker, participant


class Digest(str):
    """A digest that only `hmac.compare_digest` may compare: `==` stops at the first difference."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        raise AssertionError("a digest was compared with ==")

    def __ne__(self, other: object) -> bool:
        raise AssertionError("a digest was compared with !=")


class OneKey:
    """The keys of a store that has one."""

    async def find_all(self, key_ids: Sequence[str]) -> dict[str, StoredKey]:
        key = ApiKey("key_1", ACME, "user_alice", "k", "tenant_user", AT_MS, None, None)
        found = StoredKey(key, Digest(digest_of("secret")), participant("user_alice"))
        return dict.fromkeys(key_ids, found)


async def test_digests_are_compared_in_constant_time() -> None:
    clock = Ticker()
    store: Any = SimpleNamespace(keys=OneKey())
    tickets: Any = None
    access = Access(store, tickets, IdMaker(clock, random.Random(1).getrandbits), clock)
    with pytest.raises(Unauthenticated):
        await access.authenticate("rhk_1_wrong")
    found = await access.authenticate("rhk_1_secret")
    assert found == access.cached("rhk_1_secret")
    assert access.cached("rhk_1_wrong") is None
