"""Runs, and the models that answer them."""

from __future__ import annotations

from starlette.responses import Response

from hub.core.errors import missing
from hub.gateway.rest.call import Answer, Call, Operation, plain
from hub.models.registry import ModelEntry


async def read(call: Call) -> Answer:
    run = await call.parts.store.runs.get(call.actor.tenant_id, call.path("run_id"))
    if run is None or not await call.gateway.may_read(call.actor, run.room_id):
        raise missing("run")
    return Answer(run.as_dict())


async def of_room(call: Call) -> Answer:
    """The runs of a room, newest first."""
    view = await call.parts.rooms.read(call.actor, call.path("room_id"))
    name = f"runs/{view.room.id}"
    found = await call.parts.store.runs.page(view.room.id, call.page(name))
    return call.listed(name, found, lambda run: str(run.id), lambda run: run.as_dict())


async def models(call: Call) -> Response:
    """The models, in the envelope and in OpenAI's list shape at once, so that its SDKs read it."""
    data = [_model(entry) for entry in call.parts.models.entries()]
    return plain({"status": "ok", "object": "list", "data": data})


def _model(entry: ModelEntry) -> dict[str, object]:
    return {
        "id": entry.slug,
        "object": "model",
        "created": entry.created,
        "owned_by": entry.owned_by,
        "context_window": entry.context_window,
        "max_output_tokens": entry.max_output_tokens,
    }


OPERATIONS = [
    Operation("GET", "/v1/runs/{run_id}", read, "Read a run"),
    Operation(
        "GET", "/v1/rooms/{room_id}/runs", of_room, "List a room's runs", query=("limit", "cursor")
    ),
    Operation("GET", "/v1/models", models, "List models"),
]  # fmt: skip
