"""The models of every tenant, as they are now: read from the store, and read again after a second,
so that a change reaches every process without a restart."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx
import structlog

from hub.core.errors import Conflict, Unavailable, invalid
from hub.core.models import ModelConfig, Price, StoredModel
from hub.models.registry import ModelRegistry, WrongModel
from hub.sealing import Seal, Unopenable, model_owner

FRESH_S: Final = 1.0
TENANTS: Final = 10_000
MODELS: Final = 500
Load = Callable[[str], Awaitable[Sequence[StoredModel]]]
log = structlog.get_logger("hub.models")


@dataclass(frozen=True, slots=True)
class _Known:
    """A tenant's models as they were at a time."""

    stored: tuple[StoredModel, ...]
    registry: ModelRegistry
    at_s: float


class ModelCatalogue:
    """`of(tenant)` gives its registry: the operator's models and its own. `client` reaches servers
    that tenants name, `seal` opens their keys."""

    def __init__(
        self,
        operators: ModelRegistry,
        load: Load,
        client: httpx.AsyncClient,
        seal: Seal,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.operators = operators
        self._load = load
        self._client = client
        self.seal = seal
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def of(self, tenant_id: str) -> ModelRegistry:
        """Never older than a second, but while the database is away."""
        known, now = self._known.get(tenant_id), self._clock()
        if known is not None and now < known.at_s + FRESH_S:
            return known.registry
        try:
            stored = tuple(await self._load(tenant_id))
        except Unavailable:
            if known is None:
                raise
            return known.registry
        if known is not None and known.stored == stored:
            registry = known.registry  # its keys keep their turns
        else:
            registry = self._registry(tenant_id, stored)
        self._remember(tenant_id, _Known(stored, registry, now))
        return registry

    async def knows(self, tenant_id: str, slug: str) -> bool:
        """Whether the tenant has a model of this name."""
        return (await self.of(tenant_id)).get(slug) is not None

    def operates(self, slug: str) -> bool:
        """Whether the slug is the operator's, for no tenant to map."""
        entry = self.operators.get(slug)
        return entry is not None and (entry.source == "settings" or slug.startswith("builtin/"))

    def check(self, models: Iterable[StoredModel], slug: str) -> None:
        """Raises Invalid when a tenant could not have these models, of which `slug` was just
        changed; Conflict when another of them needs what is gone."""
        found = list(models)
        if len(found) > MODELS:
            raise Conflict(f"a tenant has at most {MODELS} models", code="TOO_MANY_MODELS")
        try:
            self.operators.with_tenant(_configs(found), self._client)
        except WrongModel as error:
            if error.slug == slug:
                raise invalid(error.name or "slug", error.reason) from None
            raise Conflict(
                f"the model {error.slug} needs it; change its {error.name} first",
                code="MODEL_IN_USE",
            ) from None

    def forget(self, tenant_id: str) -> None:
        """Read the tenant's models anew: they have just changed."""
        self._known.pop(tenant_id, None)

    def _registry(self, tenant_id: str, stored: Iterable[StoredModel]) -> ModelRegistry:
        """Without those that the operator's settings have made impossible since."""
        able = [self._opened(model) for model in stored]
        while True:
            try:
                return self.operators.with_tenant(_configs(able), self._client)
            except WrongModel as error:
                log.warning("a model cannot be used", tenant=tenant_id, reason=error.message)
                able = [model for model in able if model.slug != error.slug]

    def _opened(self, model: StoredModel) -> StoredModel:
        """With its keys as its server takes them; without those that cannot be read."""
        owner, keys = model_owner(model.tenant_id, model.slug), []
        for key in model.api_keys:
            try:
                keys.append(self.seal.open(key, owner))
            except Unopenable as error:
                log.warning(
                    "a model has lost a key; give it again",
                    tenant=model.tenant_id, model=model.slug, reason=error.message,
                )  # fmt: skip
        return replace(model, api_keys=tuple(keys))

    def _remember(self, tenant_id: str, known: _Known) -> None:
        self._known[tenant_id] = known
        self._known.move_to_end(tenant_id)
        while len(self._known) > TENANTS:
            self._known.popitem(last=False)


def _configs(models: Iterable[StoredModel]) -> dict[str, tuple[ModelConfig, int]]:
    return {model.slug: (config_of(model), model.created_ms // 1000) for model in models}


def config_of(model: StoredModel) -> ModelConfig:
    """The configuration of a stored model, which never names a variable of the environment."""
    given: dict[str, Any] = dict(model.config)
    price = given.pop("price", None)
    return ModelConfig(
        **given | {"fallbacks": tuple(given.get("fallbacks", ()))},
        api_keys=model.api_keys,
        price=Price(**price) if price else None,
    )
