"""The models a tenant maps for itself, beside those of the operator's settings."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from urllib.parse import urlsplit

from hub.core.errors import Conflict, Denied, invalid, missing
from hub.core.ids import IdMaker
from hub.core.models import StoredModel
from hub.core.values import Actor, Json
from hub.ports import AuditEntry, Catalogue, Clock, Store
from hub.sealing import Seal, model_owner
from hub.wire.requests import PutModel
from hub.wire.urls import check_url


class Models:
    """Use cases on models. `outbound_allow` is the operator's setting: servers that tenants name
    are reached through the guard. A key is never shown, nor sent to a server it was not given
    for, and stored under `seal`."""

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        ids: IdMaker,
        now_ms: Clock,
        seal: Seal,
        outbound_allow: Collection[str],
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._seal = seal
        self._ids = ids
        self._now_ms = now_ms
        self._outbound_allow = outbound_allow

    async def own(self, actor: Actor) -> list[StoredModel]:
        """What the tenant has mapped; for admins."""
        self._admin(actor)
        return await self._store.models.of(actor.tenant_id)

    async def put(self, actor: Actor, slug: str, body: PutModel) -> StoredModel:
        """Map a slug, anew or for the first time."""
        self._admin(actor)
        self._not_the_operators(slug)
        if body.base_url is not None:
            try:
                check_url(body.base_url, self._outbound_allow)
            except ValueError as error:
                raise invalid("base_url", str(error)) from None
        server = _server(body.base_url)  # a query may hold a secret
        audit = self._audit(actor, "model.put", slug, {"server": server[1] if server else None})
        stored = await self._store.models.put(
            actor.tenant_id, slug, partial(self._made, actor, slug, body), audit,
            partial(self._catalogue.check, slug=slug),
        )  # fmt: skip
        self._catalogue.forget(actor.tenant_id)
        return stored

    def _made(
        self, actor: Actor, slug: str, body: PutModel, earlier: StoredModel | None
    ) -> StoredModel:
        config = body.model_dump(exclude={"api_key"}, exclude_none=True)
        now = self._now_ms()
        created = earlier.created_ms if earlier else now
        keys = self._keys(actor.tenant_id, slug, body, earlier)
        return StoredModel(actor.tenant_id, slug, config, keys, created, now)

    def _keys(
        self, tenant_id: str, slug: str, body: PutModel, earlier: StoredModel | None
    ) -> tuple[str, ...]:
        """Keys that are not given anew stay, but never follow to another server."""
        if "api_key" in body.model_fields_set:
            if body.api_key and body.base_url is None:
                raise invalid("api_key", "belongs to the model that the alias leads to")
            owner = model_owner(tenant_id, slug)
            return tuple(self._seal.close(key, owner) for key in body.api_key or ())
        if earlier is None or not earlier.api_keys:
            return ()
        if _server(body.base_url) != _server(earlier.config.get("base_url")):
            raise invalid("api_key", "must be given again for another base_url, or null for none")
        return earlier.api_keys

    async def delete(self, actor: Actor, slug: str) -> StoredModel:
        """Forget a model; what still needs it is named."""
        self._admin(actor)
        self._not_the_operators(slug)
        gone = await self._store.models.delete(
            actor.tenant_id, slug, self._audit(actor, "model.deleted", slug, {}),
            partial(self._catalogue.check, slug=slug),
        )  # fmt: skip
        if gone is None:
            raise missing("model")
        self._catalogue.forget(actor.tenant_id)
        return gone

    def _not_the_operators(self, slug: str) -> None:
        if self._catalogue.operates(slug):
            raise Conflict(f"the model {slug} is the operator's; choose another slug")

    def _audit(self, actor: Actor, action: str, slug: str, detail: Json) -> AuditEntry:
        return AuditEntry(self._ids.make("audit"), actor, action, slug, self._now_ms(), detail)

    def _admin(self, actor: Actor) -> None:
        if not actor.is_admin:
            raise Denied("only a tenant_admin changes models")


def _server(base_url: str | None) -> tuple[str, str] | None:
    """Scheme, host and port: who is sent the key."""
    parts = urlsplit(base_url or "")
    return (parts.scheme, parts.netloc.lower()) if base_url else None
