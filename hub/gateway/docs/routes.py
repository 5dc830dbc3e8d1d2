"""Where the documents are served."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.gateway import web
from hub.gateway.commands import COMMANDS
from hub.gateway.docs.asyncapi import asyncapi
from hub.gateway.docs.openapi import openapi
from hub.gateway.docs.page import page
from hub.gateway.rest.call import Operation


def routes(operations: Sequence[Operation]) -> list[Route]:
    """`/openapi.json`, `/asyncapi.json` and `/docs`; made once."""
    http, socket = openapi(operations), asyncapi(COMMANDS)
    served = {
        "/openapi.json": (orjson.dumps(http), "application/json"),
        "/asyncapi.json": (orjson.dumps(socket), "application/json"),
        "/docs": (page(http, socket).encode(), "text/html"),
    }

    async def serve(request: Request) -> Response:
        body, kind = served[request.url.path]
        return Response(body, media_type=kind, headers=web.HEADERS)

    return [Route(path, serve, methods=["GET"]) for path in served]
