"""The web app: static files, read once, with headers that let nothing else run."""

from __future__ import annotations

import hashlib
import mimetypes
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.core.errors import missing

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_KINDS: Final = (".html", ".js", ".css", ".svg")


def routes() -> list[Route]:
    """`/` and `/assets/NAME`."""
    folder = files("hub") / "web"
    found = {
        item.name: item.read_bytes() for item in folder.iterdir() if item.name.endswith(_KINDS)
    }

    async def index(request: Request) -> Response:
        return _answer(request, "index.html", found["index.html"])

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in found:
            raise missing("file")
        return _answer(request, name, found[name])

    return [
        Route("/", index, methods=["GET"]),
        Route("/assets/{name}", asset, methods=["GET"]),
    ]


def _answer(request: Request, name: str, body: bytes) -> Response:
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = HEADERS | {"ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(body, media_type=kind, headers=headers)
