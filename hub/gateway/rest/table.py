"""Every operation of the HTTP API as Starlette routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.core.errors import MethodNotAllowed, only_reads
from hub.gateway.auth import caller
from hub.gateway.gateway import Gateway
from hub.gateway.rest import (
    access,
    completions,
    handling,
    log,
    messages,
    models,
    participants,
    replies,
    rooms,
    runs,
    search,
    sessions,
)
from hub.gateway.rest.call import Answer, Call, Operation, check_query, envelope
from hub.wire.bodies import Body

OPERATIONS: list[Operation] = [
    *sessions.OPERATIONS,
    *replies.OPERATIONS,
    *handling.OPERATIONS,
    *rooms.OPERATIONS,
    *messages.OPERATIONS,
    *log.OPERATIONS,
    *runs.OPERATIONS,
    *models.OPERATIONS,
    *completions.OPERATIONS,
    *participants.OPERATIONS,
    *access.OPERATIONS,
    *search.OPERATIONS,
]


def routes(gateway: Gateway) -> list[Route]:
    """One route per path; a method that no operation has answers 405 and names those there are.
    Routes are tried in order: the path that is asked for most comes first."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    paths = sorted(by_path, key=_MOST_ASKED.__ne__)
    return [_route(path, _endpoint(gateway, by_path[path])) for path in paths]


_MOST_ASKED: Final = "/v1/rooms/{room_id}/messages"
Endpoint = Callable[[Request], Awaitable[Response]]


def _route(path: str, endpoint: Endpoint) -> Route:
    """A route of any method: its endpoint knows those there are."""
    route = Route(path, endpoint)
    route.methods = None
    return route


def _endpoint(gateway: Gateway, operations: dict[str, Operation]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        operation = operations.get(method)
        if operation is None:
            allowed = ", ".join(sorted(operations))
            raise MethodNotAllowed(
                f"{request.method} is not possible here; use {allowed}", allowed=allowed
            )
        actor = await caller(request, gateway.parts.access)
        if not (actor.may_write or operation.method == "GET" or operation.reads):
            raise only_reads()
        call = Call(request, gateway, actor)
        check_query(request, operation.query)
        if operation.method != "GET" and operation.body is None:
            await call.body_if_any(Body)
        if operation.method != "GET" or operation.live:
            return _response(await operation.handler(call))
        async with call.turn(operation.weight(call)):
            return _response(await operation.handler(call))

    return endpoint


def _response(answer: Answer | Response) -> Response:
    return answer if isinstance(answer, Response) else envelope(answer)
