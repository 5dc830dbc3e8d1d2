"""Which models there are, and who serves each: the builtin ones, the operator's, a tenant's."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Literal

import httpx

from hub.core.errors import FieldError, Invalid, Missing, ModelUnavailable
from hub.core.models import ModelConfig, Price, StoredModel, TokensField
from hub.core.values import Json
from hub.models.base import ModelBackend
from hub.models.echo import EchoBackend
from hub.models.eliza import ElizaBackend
from hub.models.keys import KeyRing
from hub.models.openai import OpenAiBackend, Upstream
from hub.models.relay import Candidate, Relay
from hub.models.speech import Sleep

BUILTIN_CREATED = 1_767_225_600  # 2026-01-01, in Unix seconds
DEMO_SLUG = "scailabs/poolnoodle-omni"
FALLBACKS_MOST: Final = 8
TENANTS: Final = "tenants"
Source = Literal["builtin", "settings", "tenant"]

_SLUG = re.compile(r"[A-Za-z0-9][\w.:/+-]{0,127}", re.ASCII)
_OPENAI = frozenset({"api.openai.com", "eu.api.openai.com"})


class WrongModel(Invalid):
    """A mapping that cannot work: which `slug`, which `name` of its fields ("" for the slug
    itself), and what would be right."""

    def __init__(self, slug: str, name: str, reason: str) -> None:
        self.slug, self.name, self.reason = slug, name, reason
        field = f"models.{slug[:128]}.{name}".rstrip(".")
        super().__init__(f"{field}: {reason}", details=(FieldError(field, reason),))


@dataclass(frozen=True, slots=True)
class Mapped:
    """A model's configuration and whose it is; `client` is who reaches its server."""

    config: ModelConfig
    source: Source
    created: int
    client: httpx.AsyncClient
    keys: tuple[str, ...] = field(default=(), repr=False)
    ring: KeyRing = field(default_factory=lambda: KeyRing((), time.monotonic), repr=False)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model as it is offered; windows in tokens, `created` in Unix seconds."""

    slug: str
    owned_by: str
    context_window: int
    max_output_tokens: int
    created: int = BUILTIN_CREATED
    upstream: Upstream | None = None
    alias_of: str | None = None
    source: Source = "builtin"
    price: Price | None = None

    def as_dict(self) -> Json:
        """The model in the shape of OpenAI's API, and its windows."""
        return {
            "id": self.slug,
            "object": "model",
            "created": self.created,
            "owned_by": self.owned_by,
            "context_window": self.context_window,
            "max_output_tokens": self.max_output_tokens,
        }

    def for_admins(self, own: StoredModel | None) -> Json:
        """With where it comes from. The operator's servers are the operator's business; a tenant's
        `own` that the operator has taken over since is not the one that answers."""
        shown = self.as_dict() | {"source": self.source, "alias_of": self.alias_of}
        if self.price is not None:
            shown["price"] = {"prompt": self.price.prompt, "completion": self.price.completion}
        return shown | (own.as_dict() if own and self.source == "tenant" else {})


class ModelRegistry:
    """An immutable map of slugs; build another when a mapping changes.

    Raises WrongModel for a mapping that cannot work: a bad slug or URL, a builtin mapped anew, an
    alias or fallback that is no model, an alias of itself. A key that is not set is no such error:
    the model is listed, and asking it says what is missing. `outcomes` counts requests, by model;
    those that tenants have added count as one.
    """

    def __init__(
        self,
        models: Mapping[str, ModelConfig],
        env: Mapping[str, str],
        client: httpx.AsyncClient,
        *,
        created: int = BUILTIN_CREATED,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._builtin: dict[str, ModelBackend] = {
            ElizaBackend.slug: ElizaBackend(sleep=sleep),
            EchoBackend.slug: EchoBackend(sleep=sleep),
        }
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        demo = ModelConfig(alias_of=ElizaBackend.slug)
        mapped = {
            slug: _mapped(config, "settings", created, client, env)
            for slug, config in models.items()
        }
        self._set({DEMO_SLUG: Mapped(demo, "builtin", created, client), **mapped})

    def _set(self, models: dict[str, Mapped]) -> None:
        self._models = models
        for slug, mapped in models.items():
            self._check(slug, mapped.config)
        slugs = sorted({*self._builtin, *models})
        self._entries = {slug: self._entry(slug) for slug in slugs}

    def with_tenant(
        self, models: Mapping[str, tuple[ModelConfig, int]], client: httpx.AsyncClient
    ) -> ModelRegistry:
        """This registry and a tenant's models, each with the time it was made. A slug of the
        operator's stays the operator's."""
        other = ModelRegistry.__new__(ModelRegistry)
        other._builtin, other.outcomes = self._builtin, self.outcomes
        added = {
            slug: _mapped(config, "tenant", created, client, {})
            for slug, (config, created) in models.items()
            if slug not in self._models or self._models[slug].source == "builtin"
        }
        other._set(self._models | added)
        return other

    def get(self, slug: str) -> ModelEntry | None:
        return self._entries.get(slug)

    def entries(self) -> list[ModelEntry]:
        """All models, by slug."""
        return list(self._entries.values())

    def mapped(self, slug: str) -> Mapped | None:
        """How a model is mapped; None for one that is not, or builtin."""
        return self._models.get(slug)

    def backend(self, slug: str) -> ModelBackend:
        """Who answers for this slug. Raises Missing, or ModelUnavailable when a key is not set and
        nobody else would answer."""
        if slug not in self._entries:
            raise Missing(
                f"there is no model {slug[:200]}; see GET /v1/models", code="MODEL_NOT_FOUND"
            )
        target = self._target(slug)
        config = self._config(target)
        if target in self._builtin:
            return self._builtin[target]
        first = self._candidate(target)
        if first.lacks and not config.fallbacks:
            raise ModelUnavailable(f"model {slug} {first.lacks}")
        others = [self._candidate(self._target(each)) for each in config.fallbacks]
        return Relay([first, *others])

    def _candidate(self, target: str) -> Candidate:
        config, entry = self._config(target), self._entries[target]
        upstream = self._upstream(target)
        if upstream is None:
            builtin, ring = self._builtin[target], KeyRing((), time.monotonic)
            return Candidate(
                target, lambda _: builtin, config.context_window, config.max_output_tokens, ring,
                outcomes=self.outcomes[target],
            )  # fmt: skip
        mapped = self._models[target]
        lacks = None
        if config.api_key_env and not mapped.keys:
            names = " or ".join(config.api_key_env)
            lacks = f"needs its key in the environment variable {names}"
        return Candidate(
            target, partial(_serve, upstream, mapped.client), entry.context_window,
            entry.max_output_tokens, mapped.ring, config.retries, config.price, lacks,
            self.outcomes[TENANTS if mapped.source == "tenant" else target],
        )  # fmt: skip

    def _config(self, target: str) -> ModelConfig:
        mapped = self._models.get(target)
        return mapped.config if mapped else ModelConfig()

    def _entry(self, slug: str) -> ModelEntry:
        mapped, config = self._models.get(slug), self._config(self._target(slug))
        return ModelEntry(
            slug=slug,
            owned_by=_owner(slug),
            context_window=config.context_window,
            max_output_tokens=config.max_output_tokens,
            created=mapped.created if mapped else BUILTIN_CREATED,
            upstream=self._upstream(self._target(slug)),
            alias_of=mapped.config.alias_of if mapped else None,
            source=mapped.source if mapped else "builtin",
            price=config.price,
        )

    def _upstream(self, target: str) -> Upstream | None:
        """The target's server, with the first of its keys."""
        if target in self._builtin:
            return None
        mapped = self._models[target]
        config, base_url = mapped.config, mapped.config.base_url or ""
        return Upstream(
            base_url=base_url,
            model=config.upstream_model or target,
            api_key=mapped.keys[0] if mapped.keys else None,
            max_tokens_field=config.max_tokens_field or _tokens_field(base_url),
            alternating=config.alternating,
            connect_timeout_s=config.connect_timeout_s,
            idle_timeout_s=config.idle_timeout_s,
            deadline_s=config.timeout_s,
        )

    def _target(self, slug: str) -> str:
        """The slug at the end of a chain of aliases."""
        passed = [slug]
        while (mapped := self._models.get(passed[-1])) is not None and mapped.config.alias_of:
            if mapped.config.alias_of in passed:
                raise WrongModel(slug, "alias_of", "must not lead back to itself")
            passed.append(mapped.config.alias_of)
        return passed[-1]

    def _check(self, slug: str, config: ModelConfig) -> None:
        if slug in self._builtin or not _SLUG.fullmatch(slug):
            raise WrongModel(slug, "", "must be a slug that is not builtin")
        if (config.base_url is None) == (config.alias_of is None):
            raise WrongModel(slug, "base_url", "give either base_url or alias_of")
        if config.base_url is not None and not _is_http_url(config.base_url):
            raise WrongModel(slug, "base_url", "must be an http(s) URL")
        if config.context_window < 1 or config.max_output_tokens < 1:
            raise WrongModel(slug, "context_window", "windows must be positive")
        if not self._is_model(self._target(slug)):
            raise WrongModel(slug, "alias_of", f"no model {(config.alias_of or '')[:128]}")
        self._check_fallbacks(slug, config)

    def _check_fallbacks(self, slug: str, config: ModelConfig) -> None:
        name = "fallbacks"
        if config.fallbacks and config.alias_of:
            raise WrongModel(slug, name, "belong to the model that the alias leads to")
        if len(config.fallbacks) > FALLBACKS_MOST:
            raise WrongModel(slug, name, f"must be at most {FALLBACKS_MOST}")
        for each in config.fallbacks:
            if not self._is_model(each):
                raise WrongModel(slug, name, f"no model {each[:128]}")
            if self._target(each) == slug:
                raise WrongModel(slug, name, "must not lead back to itself")

    def _is_model(self, slug: str) -> bool:
        return slug in self._models or slug in self._builtin


def _mapped(
    config: ModelConfig,
    source: Source,
    created: int,
    client: httpx.AsyncClient,
    env: Mapping[str, str],
) -> Mapped:
    named = (env.get(name, "").strip() for name in config.api_key_env)
    keys = (*config.api_keys, *(key for key in named if key))
    return Mapped(config, source, created, client, keys, KeyRing(keys, time.monotonic))


def _serve(upstream: Upstream, client: httpx.AsyncClient, key: str | None) -> ModelBackend:
    return OpenAiBackend(replace(upstream, api_key=key), client)


def _owner(slug: str) -> str:
    """The part before the slash, as catalogues of models have it."""
    owner, slash, _ = slug.partition("/")
    return "roomhub" if owner == "builtin" else owner if slash else "operator"


def _tokens_field(base_url: str) -> TokensField:
    """OpenAI's newer models refuse the name that everybody else's servers know."""
    return "max_completion_tokens" if httpx.URL(base_url).host in _OPENAI else "max_tokens"


def _is_http_url(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)
