"""Models: in the shape of OpenAI's API, so that its SDKs read them; and what tenants map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from hub.core.errors import missing
from hub.core.values import Json, Participant
from hub.gateway.rest.call import Answer, Call, Operation, plain
from hub.models.registry import ModelEntry
from hub.wire.requests import PutModel

PERSONAS: Final = 1_000


async def page(call: Call) -> Response:
    """The models, in the envelope and in OpenAI's list shape at once. Personas are models too."""
    registry = await call.parts.models.of(call.actor.tenant_id)
    show = await _shape(call)
    data = [show(entry) for entry in registry.entries()]
    for persona in await call.parts.store.participants.personas(call.actor.tenant_id, PERSONAS):
        entry = registry.get(_model_of(persona) or "")
        if entry is not None:
            data.append(_persona(persona, entry))
    return plain({"status": "ok", "object": "list", "data": data})


async def read(call: Call) -> Response:
    """One model: OpenAI's object, and the same under `data`."""
    slug = call.path("slug")
    registry = await call.parts.models.of(call.actor.tenant_id)
    entry = registry.get(slug)
    if entry is not None:
        shown = (await _shape(call))(entry)
    else:
        persona = await call.parts.store.participants.get(call.actor.tenant_id, slug)
        found = registry.get(_model_of(persona) or "")
        if persona is None or found is None:
            raise missing("model")
        shown = _persona(persona, found)
    return plain({"status": "ok", **shown, "data": shown})


async def _shape(call: Call) -> Callable[[ModelEntry], Json]:
    """How the caller sees a model."""
    if not call.actor.is_admin:
        return ModelEntry.as_dict
    own = {model.slug: model for model in await call.parts.mapping.own(call.actor)}
    return lambda entry: entry.for_admins(own.get(entry.slug))


async def put(call: Call) -> Answer:
    body = await call.body(PutModel)
    stored = await call.parts.mapping.put(call.actor, call.path("slug"), body)
    entry = (await call.parts.models.of(call.actor.tenant_id)).get(stored.slug)
    return Answer(entry.for_admins(stored) if entry else {"id": stored.slug} | stored.as_dict())


async def delete(call: Call) -> Answer:
    gone = await call.parts.mapping.delete(call.actor, call.path("slug"))
    return Answer({"id": gone.slug, "object": "model", "deleted": True} | gone.as_dict())


def _model_of(persona: Participant | None) -> str | None:
    """The slug of the model that a persona in use is driven by."""
    if persona is None or persona.type != "persona" or persona.disabled_ms is not None:
        return None
    driver = persona.driver or {}
    return driver["model"] if driver.get("kind") == "model" else None


def _persona(persona: Participant, entry: ModelEntry) -> Json:
    about = {"id": persona.id, "created": persona.created_ms // 1000, "owned_by": "persona"}
    return entry.as_dict() | about


_ONE: Final = "/v1/models/{slug:path}"
OPERATIONS = [
    Operation("GET", "/v1/models", page, "List models"),
    Operation("GET", _ONE, read, "Read a model"),
    Operation("PUT", _ONE, put, "Map a model", PutModel),
    Operation("DELETE", _ONE, delete, "Forget a model"),
]
