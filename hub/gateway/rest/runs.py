"""Runs, and what they used."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.core.errors import Unauthenticated, invalid
from hub.core.times import parse_rfc3339
from hub.core.values import Run
from hub.gateway.auth import bearer
from hub.gateway.gateway import Gateway
from hub.gateway.rest.call import Answer, Call, Operation, check_query, envelope, read_body
from hub.wire.bodies import Body, parse_object, validate
from hub.wire.requests import AnswerRun, AppendDelta

GROUPS: Final = ("tenant", "room", "participant", "model", "day", "run", "key")


async def read(call: Call) -> Answer:
    return Answer((await call.parts.runs.read(call.actor, call.path("run_id"))).as_dict())


async def cancel(call: Call) -> Answer:
    return Answer((await call.parts.runs.cancel(call.actor, call.path("run_id"))).as_dict())


async def retry(call: Call) -> Answer:
    run_id = call.path("run_id")
    run = await call.parts.runs.retry(call.actor, run_id, call.key(f"retry/{run_id}", Body()))
    return Answer(run.as_dict(), 201)


async def usage(call: Call) -> Answer:
    """What runs and completions have used since a time, all of it by default."""
    group_by = call.choice("group_by", *GROUPS) or "tenant"
    since = call.query("since")
    try:
        since_ms = 0 if since is None else parse_rfc3339(since)
    except ValueError:
        raise invalid("since", "must be an RFC 3339 time such as 2030-01-31T12:00:00Z") from None
    rows = await call.parts.usage.report(call.actor, group_by, since_ms)
    return Answer({"group_by": group_by, "items": rows})


async def of_room(call: Call) -> Answer:
    """The runs of a room, newest first."""
    view = await call.parts.rooms.read(call.actor, call.path("room_id"))
    name = f"runs/{view.room.id}"
    found = await call.parts.store.runs.page(view.room.id, call.page(name))
    return call.listed(name, found, lambda run: str(run.id), lambda run: run.as_dict())


OPERATIONS = [
    Operation("GET", "/v1/runs/{run_id}", read, "Read a run"),
    Operation("POST", "/v1/runs/{run_id}/cancel", cancel, "Cancel a run"),
    Operation("POST", "/v1/runs/{run_id}/retry", retry, "Try a run again", keyed=True),
    Operation("GET", "/v1/usage", usage, "What was used", query=("group_by", "since")),
    Operation(
        "GET", "/v1/rooms/{room_id}/runs", of_room, "List a room's runs", query=("limit", "cursor")
    ),
]  # fmt: skip


def token_routes(gateway: Gateway) -> list[Route]:
    """What a bot answers by its run's token, without a key."""
    answers = gateway.parts.answers

    async def allowed(request: Request, *, answered: bool = False) -> Run:
        check_query(request)
        token = bearer(request.headers)
        if token is None:
            raise Unauthenticated(
                "send the run's token as Authorization: Bearer <token>", code="AUTH_TOKEN_MISSING"
            )
        run_id = str(request.path_params["run_id"])
        return await answers.by_token(token, run_id, answered=answered)

    async def reply(request: Request) -> Response:
        run = await allowed(request, answered=True)
        body = validate(AnswerRun, parse_object(await read_body(request)))
        return envelope(Answer((await answers.reply(run, body.content)).as_dict()))

    async def deltas(request: Request) -> Response:
        run = await allowed(request)
        body = validate(AppendDelta, parse_object(await read_body(request)))
        await answers.delta(run, body.offset, body.text)
        return envelope(Answer({}))

    return [
        Route("/v1/runs/{run_id}/reply", reply, methods=["POST"]),
        Route("/v1/runs/{run_id}/deltas", deltas, methods=["POST"]),
    ]
