"""`hub.store.models`: a tenant's own models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from hub.core.errors import Conflict
from hub.core.models import StoredModel
from hub.ports import AuditEntry
from hub.store.store import SqlStore
from tests.support.parts import ACME, ADMIN, AT_MS, RIVAL


def model(slug: str, tenant: str = ACME, window: int = 1) -> StoredModel:
    return StoredModel(tenant, slug, {"context_window": window}, ("key",), AT_MS, AT_MS)


def audit(number: int = 0) -> AuditEntry:
    return AuditEntry(f"audit_{number}", ADMIN, "model.put", "m", AT_MS, {})


def fine(_: list[StoredModel]) -> None:
    """Any models will do."""


async def put(store: SqlStore, new: StoredModel, number: int = 0) -> StoredModel:
    return await store.models.put(
        new.tenant_id, new.slug, lambda _: new, audit(number), fine
    )  # fmt: skip


async def test_a_model_is_stored_changed_and_removed(store: SqlStore) -> None:
    assert model("m") == await put(store, model("m"))
    assert model("m", window=2) == await put(store, model("m", window=2), 1)
    assert [model("m", window=2)] == await store.models.of(ACME)
    gone = await store.models.delete(ACME, "m", audit(2), fine)
    assert model("m", window=2) == gone
    assert [] == await store.models.of(ACME)
    assert await store.models.delete(ACME, "m", audit(3), fine) is None


async def test_a_tenant_sees_and_removes_only_its_own(store: SqlStore) -> None:
    await put(store, model("m"))
    await put(store, model("m", RIVAL, window=5), 1)
    assert [model("m", RIVAL, window=5)] == await store.models.of(RIVAL)
    await store.models.delete(RIVAL, "m", audit(2), fine)
    assert [model("m")] == await store.models.of(ACME)


async def test_what_is_refused_leaves_everything_as_it_was(store: SqlStore) -> None:
    await put(store, model("m"))

    def refuse(models: list[StoredModel]) -> None:
        raise Conflict("no")

    with pytest.raises(Conflict):
        await store.models.put(ACME, "m", lambda _: model("m", window=2), audit(1), refuse)
    with pytest.raises(Conflict):
        await store.models.delete(ACME, "m", audit(2), refuse)
    assert [model("m")] == await store.models.of(ACME)


async def test_changes_at_the_same_moment_are_each_checked_against_the_others(
    store: SqlStore,
) -> None:
    """Two models that exclude each other: whoever comes second is refused."""

    def alone(models: list[StoredModel]) -> None:
        if len(models) > 1:
            raise Conflict("another is there")

    def made(slug: str) -> Callable[[StoredModel | None], StoredModel]:
        return lambda _: model(slug)

    outcomes = await asyncio.gather(
        *(store.models.put(ACME, f"m{n}", made(f"m{n}"), audit(n), alone) for n in range(6)),
        return_exceptions=True,
    )
    assert 1 == sum(isinstance(outcome, StoredModel) for outcome in outcomes)
    assert 1 == len(await store.models.of(ACME))


async def test_personas_are_those_in_use_that_a_model_drives(store: SqlStore) -> None:
    await store.participants.update(ACME, "persona_second", {"disabled_ms": AT_MS})
    found = [persona.id for persona in await store.participants.personas(ACME, 10)]
    assert ["persona_eliza"] == found
