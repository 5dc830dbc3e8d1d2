"""Models: in the shape of OpenAI's API, so that its SDKs read them; and what tenants map."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from hub.core.errors import missing
from hub.core.models import StoredModel
from hub.core.values import Json, Participant
from hub.gateway.rest.call import Answer, Call, Operation, plain
from hub.models.registry import ModelEntry
from hub.wire.requests import PutModel

PERSONAS: Final = 1_000


async def page(call: Call) -> Response:
    """The models, in the envelope and in OpenAI's list shape at once. Personas are models too."""
    registry = await call.parts.models.of(call.actor.tenant_id)
    data = [_entry(entry) for entry in registry.entries()]
    for persona in await call.parts.store.participants.personas(call.actor.tenant_id, PERSONAS):
        entry = registry.get((persona.driver or {})["model"])
        if entry is not None:
            data.append(_persona(persona, entry))
    return plain({"status": "ok", "object": "list", "data": data})


async def read(call: Call) -> Response:
    """One model: OpenAI's object, and under `data` the same with how it is mapped, for admins."""
    slug = call.path("slug")
    registry = await call.parts.models.of(call.actor.tenant_id)
    entry, about = registry.get(slug), {}
    if entry is not None:
        shown = _entry(entry)
        if call.actor.is_admin:
            own = {m.slug: m for m in await call.parts.mapping.own(call.actor)}
            about = _mapped(entry, own.get(slug))
    else:
        persona = await call.parts.store.participants.get(call.actor.tenant_id, slug)
        found = registry.get(_model_of(persona) or "")
        if persona is None or found is None:
            raise missing("model")
        shown = _persona(persona, found)
    return plain({"status": "ok", **shown, "data": shown | about})


async def put(call: Call) -> Answer:
    body = await call.body(PutModel)
    stored = await call.parts.mapping.put(call.actor, call.path("slug"), body)
    return await _shown(call, stored)


async def delete(call: Call) -> Answer:
    gone = await call.parts.mapping.delete(call.actor, call.path("slug"))
    return Answer({"id": gone.slug, "object": "model", "deleted": True} | _own(gone))


async def _shown(call: Call, stored: StoredModel) -> Answer:
    entry = (await call.parts.models.of(call.actor.tenant_id)).get(stored.slug)
    return Answer((_entry(entry) if entry else {"id": stored.slug}) | _own(stored))


def _model_of(persona: Participant | None) -> str | None:
    """The slug of the model that a persona in use is driven by."""
    if persona is None or persona.type != "persona" or persona.disabled_ms is not None:
        return None
    driver = persona.driver or {}
    return driver["model"] if driver.get("kind") == "model" else None


def _entry(entry: ModelEntry) -> Json:
    return {
        "id": entry.slug,
        "object": "model",
        "created": entry.created,
        "owned_by": entry.owned_by,
        "context_window": entry.context_window,
        "max_output_tokens": entry.max_output_tokens,
    }


def _persona(persona: Participant, entry: ModelEntry) -> Json:
    about = {"id": persona.id, "created": persona.created_ms // 1000, "owned_by": "persona"}
    return _entry(entry) | about


def _mapped(entry: ModelEntry, own: StoredModel | None) -> Json:
    """Where it comes from. The operator's servers are the operator's business."""
    about: Json = {"source": entry.source, "alias_of": entry.alias_of}
    if entry.price is not None:
        about["price"] = {"prompt": entry.price.prompt, "completion": entry.price.completion}
    return about | (_own(own) if own else {})


def _own(model: StoredModel) -> Json:
    """A tenant's model as its admins see it: how many keys it has, and none of them."""
    return {"source": "tenant", "config": model.config, "keys": len(model.api_keys)}


_ONE: Final = "/v1/models/{slug:path}"
OPERATIONS = [
    Operation("GET", "/v1/models", page, "List models"),
    Operation("GET", _ONE, read, "Read a model"),
    Operation("PUT", _ONE, put, "Map a model", PutModel),
    Operation("DELETE", _ONE, delete, "Forget a model"),
]
