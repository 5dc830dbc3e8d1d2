"""hub/models/registry.py: slugs, aliases and keys."""

from __future__ import annotations

import httpx
import pytest

from hub.core.errors import Invalid, Missing, ModelUnavailable
from hub.core.models import ModelConfig
from hub.models.echo import EchoBackend
from hub.models.eliza import ElizaBackend
from hub.models.registry import DEMO_SLUG, ModelEntry, ModelRegistry
from hub.models.relay import Relay

from .asking import ask, reply_of
from .server import ModelServer

URL = "http://127.0.0.1:9/v1"


@pytest.fixture
def make(client: httpx.AsyncClient) -> Make:
    return Make(client)


class Make:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    def __call__(
        self, env: dict[str, str] | None = None, /, **models: ModelConfig
    ) -> ModelRegistry:
        named = {name.replace("__", "/"): config for name, config in models.items()}
        return ModelRegistry(named, env or {}, self.client, created=1_800_000_000)


async def test_the_builtin_models_and_the_demo_are_always_there(make: Make) -> None:
    registry = make()
    assert [e.slug for e in registry.entries()] == ["builtin/echo", "builtin/eliza", DEMO_SLUG]
    assert registry.get("builtin/eliza") == ModelEntry("builtin/eliza", "roomhub", 8192, 1024)
    assert isinstance(registry.backend("builtin/echo"), EchoBackend)
    assert isinstance(registry.backend(DEMO_SLUG), ElizaBackend)


async def test_a_mapped_model_is_served_by_its_upstream(make: Make) -> None:
    config = ModelConfig(URL, ("KEY",), "big-1", context_window=32_000, max_output_tokens=4096)
    registry = make({"KEY": " k-1\n"}, acme__big=config)
    entry = registry.get("acme/big")
    assert entry is not None
    assert entry.upstream is not None
    assert (entry.owned_by, entry.context_window, entry.created) == ("acme", 32_000, 1_800_000_000)
    assert (entry.upstream.model, entry.upstream.api_key) == ("big-1", "k-1")
    assert isinstance(registry.backend("acme/big"), Relay)
    assert "k-1" not in repr(entry)


async def test_the_operator_may_map_the_demo_slug(make: Make) -> None:
    registry = make(scailabs__poolnoodle=ModelConfig(URL))
    assert isinstance(registry.backend("scailabs/poolnoodle"), Relay)
    own = ModelRegistry({DEMO_SLUG: ModelConfig(URL)}, {}, make.client)
    assert isinstance(own.backend(DEMO_SLUG), Relay)


async def test_an_alias_takes_everything_from_the_end_of_its_chain(make: Make) -> None:
    registry = make(
        a=ModelConfig(alias_of="b"),
        b=ModelConfig(alias_of="c/d"),
        c__d=ModelConfig(URL, context_window=99),
    )
    entry = registry.get("a")
    assert entry is not None
    assert (entry.alias_of, entry.context_window, entry.owned_by) == ("b", 99, "operator")
    assert entry.upstream is not None
    assert entry.upstream.model == "c/d"


async def test_an_unknown_slug_is_missing(make: Make) -> None:
    assert make().get("nobody") is None
    with pytest.raises(Missing) as caught:
        make().backend("nobody")
    assert caught.value.code == "MODEL_NOT_FOUND"


@pytest.mark.parametrize("env", [{}, {"BIG_KEY": " "}])
async def test_a_key_that_is_not_set_is_named_when_the_model_is_asked_for(
    make: Make, env: dict[str, str]
) -> None:
    registry = make(env, big=ModelConfig(URL, ("BIG_KEY",)), alias=ModelConfig(alias_of="big"))
    assert registry.get("big") is not None
    for slug in ("big", "alias"):
        with pytest.raises(ModelUnavailable, match="BIG_KEY") as caught:
            registry.backend(slug)
        assert caught.value.code == "MODEL_UNAVAILABLE"


@pytest.mark.parametrize(
    ("models", "field"),
    [
        ({"a": ModelConfig(alias_of="b"), "b": ModelConfig(alias_of="a")}, "models.a.alias_of"),
        ({"a": ModelConfig(alias_of="a")}, "models.a.alias_of"),
        ({"a": ModelConfig(alias_of="nobody")}, "models.a.alias_of"),
        ({"builtin/eliza": ModelConfig(URL)}, "models.builtin/eliza"),
        ({"a b": ModelConfig(URL)}, "models.a b"),
        ({"a": ModelConfig()}, "models.a.base_url"),
        ({"a": ModelConfig(URL, alias_of="builtin/echo")}, "models.a.base_url"),
        ({"a": ModelConfig("ftp://example.org")}, "models.a.base_url"),
        ({"a": ModelConfig("example.org/v1")}, "models.a.base_url"),
        ({"a": ModelConfig("http://host:port")}, "models.a.base_url"),
        ({"a": ModelConfig(URL, context_window=0)}, "models.a.context_window"),
        ({"a": ModelConfig(URL, fallbacks=("nobody",))}, "models.a.fallbacks"),
        ({"a": ModelConfig(URL, fallbacks=("a",))}, "models.a.fallbacks"),
        ({"a": ModelConfig(URL, fallbacks=("builtin/echo",) * 9)}, "models.a.fallbacks"),
        (
            {"a": ModelConfig(alias_of="builtin/echo", fallbacks=("builtin/eliza",))},
            "models.a.fallbacks",
        ),
    ],
)
async def test_a_mapping_that_cannot_work_is_refused(
    client: httpx.AsyncClient, models: dict[str, ModelConfig], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        ModelRegistry(models, {}, client)
    assert caught.value.details[0].field == field


async def test_a_fallback_answers_for_a_model_whose_key_is_not_set(make: Make) -> None:
    registry = make(big=ModelConfig(URL, ("BIG_KEY",), fallbacks=("builtin/echo",)))
    reply = await reply_of(registry.backend("big"), ask("hello"))
    assert ("hello", "builtin/echo") == (reply.text, reply.finish.model)


async def test_every_key_that_is_set_takes_its_turn(make: Make, server: ModelServer) -> None:
    config = ModelConfig(server.base_url, ("ONE", "UNSET", "TWO"), "plain")
    registry = make({"ONE": "k-1", "TWO": "k-2"}, big=config)
    for _ in range(3):
        await reply_of(registry.backend("big"))
    sent = (await server.sent())["requests"]
    expected = ["Bearer k-1", "Bearer k-2", "Bearer k-1"]
    assert expected == [request["headers"]["authorization"] for request in sent]


@pytest.mark.parametrize(
    ("base_url", "field"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("http://127.0.0.1:11434/v1", "max_tokens"),
        ("https://api.openai.com.example.org/v1", "max_tokens"),
    ],
)
async def test_the_bound_of_a_reply_is_called_as_the_server_calls_it(
    make: Make, base_url: str, field: str
) -> None:
    entry = make(a=ModelConfig(base_url)).get("a")
    assert entry is not None and entry.upstream is not None
    assert field == entry.upstream.max_tokens_field
    chosen = make(a=ModelConfig(base_url, max_tokens_field="max_tokens")).get("a")
    assert chosen is not None and chosen.upstream is not None
    assert "max_tokens" == chosen.upstream.max_tokens_field
