"""hub/models/catalogue.py: every tenant's models, as they are now."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import structlog.testing

from hub.core.errors import Backend, Conflict, Invalid, Unavailable
from hub.core.models import ModelConfig, Price, StoredModel
from hub.models.catalogue import FRESH_S, MODELS, ModelCatalogue, config_of
from hub.models.registry import DEMO_SLUG, TENANTS, ModelRegistry
from hub.sealing import Seal, model_owner

from .asking import reply_of

URL = "http://127.0.0.1:9/v1"


def stored(slug: str, *, keys: tuple[str, ...] = (), **config: Any) -> StoredModel:
    given = config if "alias_of" in config else {"base_url": URL} | config
    return StoredModel("acme", slug, given, keys, 1_000_000, 1_000_000)


class Shelf:
    """What is stored, by tenant, and a clock; `away` says that the database does not answer."""

    def __init__(self, client: httpx.AsyncClient, **operators: ModelConfig) -> None:
        self.at_s = 0.0
        self.away = False
        self.reads = 0
        self.models: dict[str, list[StoredModel]] = {}
        self.guarded = httpx.AsyncClient()
        self.seal = Seal(b"a secret")
        self.registry = ModelRegistry(operators, {"KEY": "k"}, client)
        self.catalogue = self.open()

    def open(self) -> ModelCatalogue:
        """As a process that starts."""
        return ModelCatalogue(self.registry, self.load, self.guarded, self.seal, lambda: self.at_s)

    async def load(self, tenant_id: str) -> list[StoredModel]:
        self.reads += 1
        if self.away:
            raise Unavailable("away")
        return self.models.get(tenant_id, [])

    async def slugs(self, tenant_id: str = "acme") -> set[str]:
        found = {entry.slug for entry in (await self.catalogue.of(tenant_id)).entries()}
        return found - {"builtin/echo", "builtin/eliza", DEMO_SLUG}


async def test_a_tenants_models_are_its_own_and_the_operators_everybodys(
    client: httpx.AsyncClient,
) -> None:
    shelf = Shelf(client, shared=ModelConfig(URL))
    shelf.models["acme"] = [stored("mine")]
    assert ({"shared", "mine"}, {"shared"}) == (await shelf.slugs(), await shelf.slugs("rival"))


async def test_a_change_is_seen_within_a_second_or_at_once_by_who_made_it(
    client: httpx.AsyncClient,
) -> None:
    shelf = Shelf(client)
    assert set() == await shelf.slugs()
    shelf.models["acme"] = [stored("new")]
    assert set() == await shelf.slugs()
    shelf.at_s = FRESH_S
    assert {"new"} == await shelf.slugs()
    shelf.models["acme"] = []
    shelf.catalogue.forget("acme")
    assert set() == await shelf.slugs()


async def test_keys_are_opened_for_the_server_and_lost_ones_named(
    client: httpx.AsyncClient,
) -> None:
    """A model whose key was stored under another secret is still there, without it."""
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Authorization"))
        raise httpx.ConnectError("not now")

    shelf = Shelf(client)
    shelf.guarded = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    shelf.catalogue = shelf.open()
    mine = shelf.seal.close("sk-1", model_owner("acme", "mine"))
    foreign = Seal(b"another").close("sk-2", model_owner("acme", "lost"))
    shelf.models["acme"] = [
        stored("mine", keys=(mine,), retries=0), stored("lost", keys=(foreign,), retries=0)
    ]  # fmt: skip
    with structlog.testing.capture_logs() as told:
        registry = await shelf.catalogue.of("acme")
    for slug in ("mine", "lost"):
        with pytest.raises(Backend):
            await reply_of(registry.backend(slug))
    assert ["Bearer sk-1", None] == asked
    assert ["lost"] == [each["model"] for each in told if "model" in each]
    assert "sk-" not in repr(told)


async def test_unchanged_models_keep_the_turns_of_their_keys(client: httpx.AsyncClient) -> None:
    shelf = Shelf(client)
    shelf.models["acme"] = [stored("mine", keys=("a", "b"))]
    first = await shelf.catalogue.of("acme")
    shelf.at_s = FRESH_S
    assert first is await shelf.catalogue.of("acme")
    assert 2 == shelf.reads


async def test_while_the_database_is_away_what_was_known_goes_on(
    client: httpx.AsyncClient,
) -> None:
    shelf = Shelf(client)
    shelf.models["acme"] = [stored("mine")]
    await shelf.slugs()
    shelf.away, shelf.at_s = True, FRESH_S
    assert {"mine"} == await shelf.slugs()
    with pytest.raises(Unavailable):
        await shelf.slugs("rival")


async def test_a_tenant_takes_the_demos_slug_but_never_the_operators(
    client: httpx.AsyncClient,
) -> None:
    shelf = Shelf(client, shared=ModelConfig(URL, context_window=777))
    shelf.models["acme"] = [stored(DEMO_SLUG), stored("shared", context_window=999)]
    registry = await shelf.catalogue.of("acme")
    assert ("tenant", "settings", 777) == tuple(
        value
        for slug in (DEMO_SLUG, "shared")
        if (entry := registry.get(slug))
        for value in ([entry.source] if slug == DEMO_SLUG else [entry.source, entry.context_window])
    )
    assert [True, True, False] == [
        shelf.catalogue.operates(slug) for slug in ("shared", "builtin/echo", DEMO_SLUG)
    ]


async def test_only_the_operators_servers_are_reached_without_the_guard(
    client: httpx.AsyncClient,
) -> None:
    shelf = Shelf(client, shared=ModelConfig(URL))
    shelf.models["acme"] = [stored("mine")]
    registry = await shelf.catalogue.of("acme")
    shared, mine = registry.mapped("shared"), registry.mapped("mine")
    assert shared is not None and mine is not None
    assert (client, shelf.guarded) == (shared.client, mine.client)


async def test_what_the_settings_made_impossible_is_left_out(client: httpx.AsyncClient) -> None:
    shelf = Shelf(client)
    shelf.models["acme"] = [stored("a", alias_of="gone"), stored("b", fallbacks=["a"]), stored("c")]
    assert {"c"} == await shelf.slugs()


async def test_a_fault_of_another_model_says_which(client: httpx.AsyncClient) -> None:
    catalogue = Shelf(client).catalogue
    with pytest.raises(Invalid) as caught:
        catalogue.check([stored("a", alias_of="nobody")], "a")
    assert "alias_of" == caught.value.details[0].field
    with pytest.raises(Conflict, match="the model b needs it") as conflict:
        catalogue.check([stored("b", alias_of="a")], "a")
    assert "MODEL_IN_USE" == conflict.value.code


async def test_a_tenant_has_a_bounded_number_of_models(client: httpx.AsyncClient) -> None:
    catalogue = Shelf(client).catalogue
    many = [stored(f"m{number}") for number in range(MODELS + 1)]
    catalogue.check(many[1:], "m1")
    with pytest.raises(Conflict, match="at most"):
        catalogue.check(many, "m0")


def test_a_stored_model_names_no_variable_of_the_environment() -> None:
    model = stored("m", keys=("k",), fallbacks=["x"], price={"prompt": 1.0, "completion": 2.0})
    config = config_of(model)
    assert ((), ("k",), ("x",), Price(1.0, 2.0)) == (
        config.api_key_env, config.api_keys, config.fallbacks, config.price,
    )  # fmt: skip
    assert "'k'" not in repr(model) + repr(config)


async def test_requests_are_counted_by_model_and_those_of_tenants_as_one(
    client: httpx.AsyncClient,
) -> None:
    """Names that tenants choose are without bound, and nobody else's business."""
    shelf = Shelf(client, shared=ModelConfig(URL, retries=0))
    for tenant, slug in (("acme", "mine"), ("rival", "theirs")):
        shelf.models[tenant] = [stored(slug, retries=0)]
        registry = await shelf.catalogue.of(tenant)
        for asked in (slug, "shared"):
            with pytest.raises(Backend):
                await reply_of(registry.backend(asked))
    counted = shelf.catalogue.operators.outcomes
    assert {"shared", TENANTS} == set(counted)
    assert 2 == counted["shared"]["error"] == counted[TENANTS]["error"]
