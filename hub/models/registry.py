"""Which models this hub offers, and who serves each: the builtin ones and the operator's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from hub.core.errors import Unavailable, invalid, missing
from hub.models.base import ModelBackend
from hub.models.echo import EchoBackend
from hub.models.eliza import ElizaBackend
from hub.models.openai import OpenAiBackend, Upstream
from hub.models.speech import Sleep

BUILTIN_CREATED = 1_767_225_600  # 2026-01-01, in Unix seconds
DEMO_SLUG = "scailabs/poolnoodle-omni"

_SLUG = re.compile(r"[A-Za-z0-9][\w.:/+-]{0,127}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One model as the operator maps it: a server's `base_url`, or another slug (`alias_of`).

    `api_key_env` names the environment variable that holds the key; `upstream_model` is the name
    the server knows, the slug itself unless given. An alias takes everything from its target.
    """

    base_url: str | None = None
    api_key_env: str | None = None
    upstream_model: str | None = None
    context_window: int = 8192
    max_output_tokens: int = 1024
    alias_of: str | None = None


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


class ModelRegistry:
    """An immutable map of slugs; build another when a mapping changes.

    Raises Invalid for a mapping that cannot work: a bad slug or URL, a builtin mapped anew, an
    alias of nothing or of itself. A key that is not set is no such error: the model is listed, and
    asking for its backend says what is missing.
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
        self._client = client
        self._created = created
        self._env = env
        self._builtin: dict[str, ModelBackend] = {
            ElizaBackend.slug: ElizaBackend(sleep=sleep),
            EchoBackend.slug: EchoBackend(sleep=sleep),
        }
        self._models = {DEMO_SLUG: ModelConfig(alias_of=ElizaBackend.slug), **models}
        for slug, config in self._models.items():
            self._check(slug, config)
        slugs = sorted({*self._builtin, *self._models})
        self._entries = {slug: self._entry(slug) for slug in slugs}

    def get(self, slug: str) -> ModelEntry | None:
        return self._entries.get(slug)

    def entries(self) -> list[ModelEntry]:
        """All models, by slug."""
        return list(self._entries.values())

    def backend(self, slug: str) -> ModelBackend:
        """Who answers for this slug. Raises Missing, or Unavailable when its key is not set."""
        entry = self._entries.get(slug)
        if entry is None:
            raise missing("model")
        target = self._target(slug)
        if entry.upstream is None:
            return self._builtin[target]
        variable = self._models[target].api_key_env
        if variable and not entry.upstream.api_key:
            raise Unavailable(
                f"model {slug} needs its key in the environment variable {variable}",
                code="MODEL_UNAVAILABLE",
            )
        return OpenAiBackend(entry.upstream, self._client)

    def _entry(self, slug: str) -> ModelEntry:
        target = self._target(slug)
        config = self._models.get(target, ModelConfig())
        return ModelEntry(
            slug=slug,
            owned_by=_owner(slug),
            context_window=config.context_window,
            max_output_tokens=config.max_output_tokens,
            created=self._created if slug in self._models else BUILTIN_CREATED,
            upstream=self._upstream(target),
            alias_of=self._models[slug].alias_of if slug in self._models else None,
        )

    def _upstream(self, target: str) -> Upstream | None:
        if target in self._builtin:
            return None
        config = self._models[target]
        key = self._env.get(config.api_key_env, "").strip() if config.api_key_env else ""
        return Upstream(config.base_url or "", config.upstream_model or target, key or None)

    def _target(self, slug: str) -> str:
        """The slug at the end of a chain of aliases."""
        passed = [slug]
        while (config := self._models.get(passed[-1])) is not None and config.alias_of:
            if config.alias_of in passed:
                raise invalid(_field(slug, "alias_of"), "must not lead back to itself")
            passed.append(config.alias_of)
        return passed[-1]

    def _check(self, slug: str, config: ModelConfig) -> None:
        if slug in self._builtin or not _SLUG.fullmatch(slug):
            raise invalid(f"models.{slug[:128]}", "must be a slug that is not builtin")
        if (config.base_url is None) == (config.alias_of is None):
            raise invalid(_field(slug, "base_url"), "give either base_url or alias_of")
        if config.base_url is not None and not _is_http_url(config.base_url):
            raise invalid(_field(slug, "base_url"), "must be an http(s) URL")
        if config.context_window < 1 or config.max_output_tokens < 1:
            raise invalid(_field(slug, "context_window"), "windows must be positive")
        target = self._target(slug)
        if target not in self._models and target not in self._builtin:
            raise invalid(_field(slug, "alias_of"), f"no model {target[:128]}")


def _field(slug: str, name: str) -> str:
    return f"models.{slug}.{name}"


def _owner(slug: str) -> str:
    """The part before the slash, as catalogues of models have it."""
    owner, slash, _ = slug.partition("/")
    return "roomhub" if owner == "builtin" else owner if slash else "operator"


def _is_http_url(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)
