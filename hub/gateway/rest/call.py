"""One HTTP call: what a handler may ask of the request, and the shapes of its answer."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import orjson
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from hub.core import cursors
from hub.core.errors import TooLarge, UnsupportedMedia, invalid
from hub.core.posts import RequestKey
from hub.core.text import text_fault
from hub.core.values import Actor, Json
from hub.gateway.gateway import Gateway
from hub.parts import Parts
from hub.ports import Page
from hub.service.requests import request_key
from hub.wire.bodies import Body, parse_object, validate

Model = TypeVar("Model", bound=BaseModel)
BODY_BYTES: Final = 262_144
LIMIT: Final = 50
LIMIT_MOST: Final = 200
_NUMBER: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` under the envelope; `next_cursor` makes it a page of a list, and `beside` stands in
    its `data` next to the items."""

    data: Any
    status: int = 200
    next_cursor: str | None = None
    is_list: bool = False
    beside: Json = field(default_factory=dict)


class Call:
    """A request of an authenticated caller."""

    def __init__(self, request: Request, gateway: Gateway, actor: Actor) -> None:
        self.request = request
        self.gateway = gateway
        self.actor = actor

    @property
    def parts(self) -> Parts:
        return self.gateway.parts

    def path(self, name: str) -> str:
        """A part of the path; one that no id can look like reads as a missing thing."""
        text = str(self.request.path_params[name])
        return "-" if text_fault(text) or len(text) > 200 else text

    async def body(self, model: type[Model]) -> Model:
        return validate(model, parse_object(await read_body(self.request)))

    async def body_if_any(self, model: type[Model]) -> Model:
        """The body of a call that needs none; one that takes none has a `Body` without fields."""
        return validate(model, parse_object(await read_body(self.request) or b"{}"))

    def key(self, what: str, body: Body) -> RequestKey | None:
        """The Idempotency-Key header as a request key; the operation is `keyed`."""
        given = self.request.headers.getlist("idempotency-key")
        text = given[0] if given else None
        if text is not None and (len(given) > 1 or not 1 <= len(text) <= 200 or text_fault(text)):
            raise invalid("Idempotency-Key", "must be given once, 1 to 200 characters")
        return request_key(self.actor, what, text, body)

    # Query parameters.

    def query(self, name: str) -> str | None:
        return self.request.query_params.get(name)

    def queries(self, prefix: str) -> dict[str, str]:
        """Those whose names begin so, by what follows."""
        found = self.request.query_params.items()
        return {name[len(prefix) :]: value for name, value in found if name.startswith(prefix)}

    def number(self, name: str, *, least: int = 0, most: int = 2**53) -> int | None:
        text = self.query(name)
        if text is None:
            return None
        if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
            raise invalid(name, f"must be a whole number from {least} to {most}")
        return int(text)

    def limit(self) -> int:
        return self.number("limit", least=1, most=LIMIT_MOST) or LIMIT

    def turn(self, entries: int) -> AbstractAsyncContextManager[None]:
        """Wait until an answer of so many entries may be made, and make it within the context."""
        return self.gateway.turns.hold(entries, self.actor.key_id)

    def choice(self, name: str, *allowed: str) -> str | None:
        text = self.query(name)
        if text is not None and text not in allowed:
            raise invalid(name, f"must be one of {', '.join(allowed)}")
        return text

    # Lists.

    def _scope(self, name: str) -> str:
        return f"{self.actor.tenant_id}/{name}"

    def cursor(self, name: str) -> str | None:
        """The value inside the `cursor` parameter."""
        text = self.query("cursor")
        if text is None:
            return None
        try:
            return cursors.decode(self.parts.secret, self._scope(name), text)
        except cursors.BadCursor:
            raise invalid("cursor", "must be the next_cursor of the page before") from None

    def page(self, name: str) -> Page:
        """One more than `limit` is read, to know whether there is more."""
        return Page(self.limit() + 1, self.cursor(name))

    def listed(
        self, name: str, items: Sequence[Any], key: Callable[[Any], str],
        show: Callable[[Any], Any],
    ) -> Answer:  # fmt: skip
        """A page of `items`, which were read with `page`."""
        limit = self.limit()
        shown = list(items[:limit])
        more = self.next(name, key(shown[-1])) if len(items) > limit else None
        return Answer([show(item) for item in shown], next_cursor=more, is_list=True)

    def next(self, name: str, value: str) -> str:
        return cursors.encode(self.parts.secret, self._scope(name), value)


Handler = Callable[[Call], Awaitable[Answer | Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the API: how it is called, what it takes, who serves it. `entries` is how many
    its answer may have when no limit is given; an answer that is `live` takes its turns itself;
    what is `keyed` takes an Idempotency-Key; what `reads` is for keys that may only read, too. A
    `query` parameter that ends in `*` stands for all that begin so."""

    method: str
    path: str
    handler: Handler
    summary: str
    body: type[BaseModel] | None = None
    query: tuple[str, ...] = ()
    entries: int | None = None
    live: bool = False
    keyed: bool = False
    reads: bool = False

    def weight(self, call: Call) -> int:
        """How many entries the answer to a call may have."""
        if "limit" in self.query and (self.entries is None or call.query("limit") is not None):
            return call.limit()
        return self.entries or 1


def check_query(request: Request, names: Collection[str] = ()) -> None:
    """Refuse query parameters that a call does not have, repeated ones, and what is no text."""
    begins = tuple(name[:-1] for name in names if name.endswith("*"))
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        if name not in names and not name.startswith(begins):
            raise invalid(name, "is not a parameter of this call")
        if name in seen:
            raise invalid(name, "must be given once")
        if fault := text_fault(value):
            raise invalid(name, fault)
        seen.add(name)


async def read_body(request: Request, most: int = BODY_BYTES) -> bytes:
    """The body of a JSON request, within its bound."""
    said = int(request.headers.get("content-length", "-1"))
    if said == 0:  # of whatever kind
        return b""
    kind = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMedia("send the body as application/json")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("send the body without Content-Encoding")
    if said > most:  # nobody need send it
        raise TooLarge(f"a body is at most {most} bytes")
    size, parts = 0, []
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise TooLarge(f"a body is at most {most} bytes")
        parts.append(part)
    return b"".join(parts)


def envelope(answer: Answer) -> Response:
    """The answer as every client gets it."""
    body: dict[str, Any] = {"status": "ok", "data": answer.data}
    if answer.is_list:
        body["data"] = {"items": answer.data} | answer.beside
        body["pagination"] = {
            "has_more": answer.next_cursor is not None,
            "next_cursor": answer.next_cursor,
        }
    return plain(body, answer.status)


def plain(body: dict[str, Any], status: int = 200) -> Response:
    """A JSON answer as it is."""
    return Response(orjson.dumps(body), status, media_type="application/json")
