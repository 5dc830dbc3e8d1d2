"""Runs and models, read only."""

from __future__ import annotations

from hub.core.errors import missing
from hub.gateway.rest.call import Answer, Call, Operation


async def read(call: Call) -> Answer:
    run = await call.parts.store.runs.get(call.actor.tenant_id, call.path("run_id"))
    if run is None or not await call.gateway.may_read(call.actor, run.room_id):
        raise missing("run")
    return Answer(run.as_dict())


OPERATIONS = [Operation("GET", "/v1/runs/{run_id}", read, "Read a run")]
