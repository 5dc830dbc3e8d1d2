"""The ASGI application of a gateway."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

from hub.core.errors import HubError, MethodNotAllowed, Missing, UpgradeRequired
from hub.gateway import web
from hub.gateway.counts import Counts
from hub.gateway.docs import routes as docs
from hub.gateway.gateway import Gateway
from hub.gateway.metrics import figures_of, guard_of_hub, guard_of_port, metrics_route
from hub.gateway.rest import runs, table
from hub.gateway.rest.call import Answer, check_query, envelope, read_body
from hub.gateway.ws import SOCKET_PATH, WebSocketApp
from hub.metrics.figures import Figures
from hub.wire.bodies import parse_object, validate
from hub.wire.completions import error_of
from hub.wire.requests import LogIn

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_HEADER: Final = b"x-request-id"
_PRIVATE: Final = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
log = structlog.get_logger("hub.http")


class Front:
    """The application: sockets, and all else. A socket goes past the layers of Starlette, each of
    which would weigh as long as the connection lasts."""

    def __init__(self, socket: ASGIApp, rest: ASGIApp) -> None:
        self._socket = socket
        self._rest = rest

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return (self._socket if scope["type"] == "websocket" else self._rest)(scope, receive, send)


def make_app(gateway: Gateway, figures: Figures | None = None) -> Front:
    """The application; the caller opens and closes what it runs on."""
    figures = figures or figures_of(gateway)
    return Front(WebSocketApp(gateway), _make_rest(gateway, figures))


def make_metrics_app(figures: Figures, token: str | None) -> Starlette:
    """`/metrics` alone, for a port of its own."""
    return Starlette(
        routes=[metrics_route(figures, guard_of_port(token))], exception_handlers=_HANDLERS
    )


def _make_rest(gateway: Gateway, figures: Figures) -> Starlette:
    app = Starlette(
        routes=[
            *table.routes(gateway),
            *_open_routes(gateway),
            metrics_route(figures, guard_of_hub(gateway.parts.settings.metrics_token)),
            *runs.token_routes(gateway),
            *web.routes(),
            *docs.routes(table.OPERATIONS),
        ],
        exception_handlers=_HANDLERS,
    )
    app.router.redirect_slashes = False
    origins = gateway.parts.settings.allowed_origins
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],  # clients such as OpenAI's send many of their own
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    app.add_middleware(RequestIds, make_id=gateway.parts.ids.make, counts=gateway.counts)
    return app


def _open_routes(gateway: Gateway) -> list[Route]:
    """What is served without a key."""

    async def log_in(request: Request) -> Response:
        check_query(request)
        body = validate(LogIn, parse_object(await read_body(request)))
        return envelope(Answer(await gateway.parts.access.log_in(body.ticket)))

    async def healthz(request: Request) -> Response:
        return envelope(Answer({"alive": True}))

    async def readyz(request: Request) -> Response:
        reasons = await gateway.ready()
        data = {"ready": not reasons, "reasons": reasons}
        return envelope(Answer(data, 503 if reasons else 200))

    async def socket(request: Request) -> Response:
        raise UpgradeRequired("here is a WebSocket: connect with a client that speaks it")

    return [
        Route(SOCKET_PATH, socket, methods=["GET"]),
        Route("/v1/login", log_in, methods=["POST"]),
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
    ]


class RequestIds:
    """Gives every request an id, its own or a new one, and says it in the answer. What the API
    answers is for its caller: no browser takes it for something else, and nobody keeps it. Counts
    what was answered."""

    def __init__(self, app: ASGIApp, make_id: Callable[[str], str], counts: Counts) -> None:
        self._app = app
        self._make_id = make_id
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        valid = _REQUEST_ID.fullmatch(given) is not None
        request_id = given.decode() if valid else self._make_id("req")
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        own = [(_HEADER, request_id.encode())]
        if scope["path"].startswith("/v1/"):
            own += _PRIVATE

        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *own]
                self._count(message["status"], state.get("refused"))
            await send(message)

        try:
            await self._app(scope, receive, tagged)
        except Exception:  # answered by the layer around this one
            self._count(500, HubError.code)
            raise

    def _count(self, status: int, refused: str | None) -> None:
        self._counts.answered[status] += 1
        if refused is not None:
            self._counts.failed[refused] += 1


def _answer_error(request: Request, error: HubError) -> Response:
    status, path = error.status, request.url.path
    request.state.refused = error.code
    body: dict[str, Any] = {
        "status": "error",
        "error": error.as_dict(),
        "meta": {"request_id": getattr(request.state, "request_id", None)},
    }
    headers = {}
    if path == "/v1/chat/completions":
        status, about = error_of(error)
        body = {"error": about}
    elif path.startswith("/v1/models"):  # OpenAI's SDKs read these too
        body["error"] |= {"type": error_of(error)[1]["type"]}
    if error.code == "BUDGET_EXCEEDED":
        headers["X-Should-Retry"] = "false"
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allowed
    if isinstance(error, UpgradeRequired):
        headers |= {"Connection": "Upgrade", "Upgrade": "websocket"}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(orjson.dumps(body), status, headers, "application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HubError)
    return _answer_error(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "GET")
        message = f"{request.method} is not possible here; use {allowed}"
        return _answer_error(request, MethodNotAllowed(message, allowed=allowed))
    if error.status_code == 404:
        return _answer_error(request, Missing("there is nothing at this path"))
    return _answer_error(request, HubError(error.detail))


async def _went_away(request: Request, error: Exception) -> Response:
    return Response(status_code=499)


async def _failed(request: Request, error: Exception) -> Response:
    log.error("a request failed", path=request.url.path, exc_info=error)
    return _answer_error(request, HubError("the hub failed; the request id helps to find out why"))


_HANDLERS: Final[Mapping[Any, ExceptionHandler]] = {
    HubError: _refused,
    HTTPException: _http_error,
    ClientDisconnect: _went_away,
    Exception: _failed,
}
