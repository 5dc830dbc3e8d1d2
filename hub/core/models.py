"""Language models as the operator or a tenant maps them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from hub.core.chat import Usage
from hub.core.values import Json

TokensField = Literal["max_tokens", "max_completion_tokens"]
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in the operator's currency."""

    prompt: float
    completion: float


def priced(usage: Usage, price: Price | None) -> Usage:
    """The usage with what it costs, where there is a price."""
    if price is None:
        return usage
    cost = usage.prompt_tokens * price.prompt + usage.completion_tokens * price.completion
    return replace(usage, cost=cost / MILLION)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One model: a server's `base_url`, or another slug (`alias_of`).

    `api_key_env` names the environment variables that hold keys, `api_keys` are keys themselves;
    they take turns. `upstream_model` is the name the server knows, the slug itself unless given.
    `fallbacks` are slugs that answer when this one cannot, in order. A server that fails is asked
    `retries` times more; it may be silent for `idle_timeout_s` and has `timeout_s` for a whole
    reply. `max_tokens_field` is how it calls the bound of a reply; `alternating` says that its
    template wants user and assistant in turns. An alias takes everything from its target.
    """

    base_url: str | None = None
    api_key_env: tuple[str, ...] = ()
    upstream_model: str | None = None
    context_window: int = 8192
    max_output_tokens: int = 1024
    alias_of: str | None = None
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    fallbacks: tuple[str, ...] = ()
    retries: int = 1
    connect_timeout_s: float = 10.0
    idle_timeout_s: float = 60.0
    timeout_s: float = 120.0
    max_tokens_field: TokensField | None = None
    alternating: bool = False
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model that a tenant mapped; `config` as it was given, `api_keys` apart, sealed and never
    shown."""

    tenant_id: str
    slug: str
    config: Json
    api_keys: tuple[str, ...] = field(repr=False)
    created_ms: int
    updated_ms: int

    def as_dict(self) -> Json:
        """As its admins see it: how many keys it has, and none of them."""
        return {"source": "tenant", "config": self.config, "keys": len(self.api_keys)}
