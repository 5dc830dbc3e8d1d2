"""OpenAPI 3.1 of the HTTP API, from the table of its operations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Final

from pydantic import BaseModel

from hub.core.metadata import ASKED, FOUND_CHARS
from hub.core.values import Json
from hub.gateway.docs.codes import CODES
from hub.gateway.docs.schemas import Schemas
from hub.gateway.rest.call import LIMIT, LIMIT_MOST, Operation
from hub.metrics.text import OPENMETRICS
from hub.wire.requests import AnswerRun, AppendDelta, LogIn

_PATH_PART: Final = re.compile(r"\{(\w+)\}")
_SEQS: Final = frozenset({"since", "before", "after", "around", "wait"})
_BY_TIME: Final = frozenset({"/v1/search", "/v1/usage"})
OPENAI: Final = "/v1/chat/"
METRICS: Final = "/metrics"
_FLAGS: Final = frozenset({"dry_run", "hard"})
_BEGINNING: Final = {
    "metadata.*": "`metadata.project_id=proj_123`: those whose metadata has this value under this "
    "key of its top level, a text as it is, 5 or true for a number or a boolean; several must all "
    "be had",
}
_HEADERS: Final = {
    "Idempotency-Key": "The same key again is the same request, for 24 hours",
    "Last-Event-ID": "Where a stream stopped, `epoch:seq`",
}


_SCHEMES: Final[Json] = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key, `rhk_…`"},
    "token": {
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
        "description": "Where the operator allows it, a JSON Web Token that an application or "
        "identity provider signs: `sub` is the participant's id, `exp` lies within 24 hours, `aud` "
        "(and `iss`, if set) is as the hub has it; optional are `nbf`, `iat`, `tenant`, and "
        "`scopes`, `[\"read\"]` or `[\"read\", \"write\"]`. It is never an admin's, makes no keys "
        "and no log-in tickets; its `key_id` is `jwt:<tenant>:<participant>`",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation as it is described: whether it takes the caller's key, and a request's own."""

    method: str
    path: str
    summary: str
    body: type[BaseModel] | None = None
    query: tuple[str, ...] = ()
    open: bool = False
    keyed: bool = False


BESIDE: Final = (
    Entry("POST", "/v1/login", "Exchange a log-in ticket for a key", LogIn, open=True),
    Entry("POST", "/v1/runs/{run_id}/reply", "Answer a run, by its token", AnswerRun),
    Entry("POST", "/v1/runs/{run_id}/deltas", "Append to a run's draft, by its token", AppendDelta),
    Entry("GET", "/healthz", "Whether the process is alive", open=True),
    Entry("GET", "/readyz", "Whether it should get traffic", open=True),
    Entry("GET", METRICS, "Figures of the process, for Prometheus", open=True),
)
"""What is served beside the table of operations."""


def openapi(operations: Iterable[Operation]) -> Json:
    """The document."""
    schemas, paths = Schemas(), dict[str, Json]()
    listed = [
        Entry(o.method, written(o.path), o.summary, o.body, o.query, keyed=o.keyed)
        for o in operations
    ]
    for entry in (*listed, *BESIDE):
        described = replace(entry, path=template(entry.path))
        paths.setdefault(described.path, {})[entry.method.lower()] = _operation(described, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "roomhub",
            "version": version("roomhub"),
            "description": "Answers stand in `data`; lists in `data.items`, with `pagination`.",
        },
        "security": [{"key": []}, {"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": _SCHEMES,
            "schemas": schemas.found | {"Answer": _ANSWER, "Error": _ERROR},
        },
    }


def written(path: str) -> str:
    """A path as OpenAPI has it, which cannot say that a part may hold slashes."""
    return path.replace(":path}", "}")


def template(path: str) -> str:
    """A route's path as OpenAPI writes it: its parts by name alone."""
    return re.sub(r":\w+}", "}", path)


def _operation(operation: Entry, schemas: Schemas) -> Json:
    found: Json = {
        "summary": operation.summary,
        "operationId": _name(operation),
        "tags": [operation.path.split("/")[2] if operation.path.startswith("/v1/") else "service"],
        "parameters": _parameters(operation),
        "responses": {
            "2XX": {"description": "Done", "content": _json("Answer")},
            "default": {"description": "Refused", "content": _json("Error")},
        },
    }
    if operation.path.endswith("/stream"):
        found["responses"]["2XX"]["content"] = {"text/event-stream": {}}
    if operation.path == METRICS:
        found["responses"]["2XX"]["content"] = {"text/plain": {}, OPENMETRICS: {}}
    if operation.path.startswith(OPENAI):
        found["responses"] = {
            code: {"description": about, "content": {"application/json": {}}}
            for code, about in (("2XX", "In OpenAI's shape"), ("default", "Refused, in the same"))
        }
    if operation.body is not None:
        content = {"application/json": {"schema": schemas.ref(operation.body)}}
        found["requestBody"] = {"required": not _may_be_left_out(operation), "content": content}
    if operation.open:
        found["security"] = []
    return found


def _may_be_left_out(operation: Entry) -> bool:
    """Of a POST of which nothing is asked, the body."""
    fields = operation.body.model_fields.values() if operation.body else ()
    return operation.method == "POST" and not any(each.is_required() for each in fields)


def _name(operation: Entry) -> str:
    """`get_v1_rooms_room_id`: as the path is, so that no two are the same."""
    return re.sub(r"\W+", "_", f"{operation.method.lower()}{operation.path}").strip("_")


def _parameters(operation: Entry) -> list[Json]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PATH_PART.findall(operation.path)
    ]
    found += [_asked(operation.path, name) for name in operation.query]
    header = "Idempotency-Key" if operation.keyed else None
    header = "Last-Event-ID" if operation.path.endswith("/stream") else header
    if header is not None:
        about = {"description": _HEADERS[header], "schema": {"type": "string"}}
        found.append({"name": header, "in": "header"} | about)
    return found


def _asked(path: str, name: str) -> Json:
    """A query parameter. One that stands for all that begin so is an object of them, exploded:
    each of its properties is a parameter of its own."""
    if not name.endswith("*"):
        return {"name": name, "in": "query", "schema": _query(path, name)}
    names = {"pattern": f"^{re.escape(name[:-1])}."}
    return {
        "name": name, "in": "query", "style": "form", "explode": True,
        "description": _BEGINNING[name],
        "schema": {"type": "object", "propertyNames": names, "maxProperties": ASKED,
                   "additionalProperties": {"type": "string", "maxLength": FOUND_CHARS}},
        "example": {f"{name[:-1]}project_id": "proj_123"},
    }  # fmt: skip


def _query(path: str, name: str) -> Json:
    if name == "limit":
        return {"type": "integer", "minimum": 1, "maximum": LIMIT_MOST, "default": LIMIT}
    if name in _FLAGS:
        return {"type": "boolean"}
    if name not in _SEQS:
        return {"type": "string"}
    if path in _BY_TIME:
        return {"type": "string", "format": "date-time"}
    return {"type": "integer", "minimum": 0}


def _json(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


_ANSWER: Final[Json] = {
    "type": "object",
    "required": ["status", "data"],
    "properties": {
        "status": {"const": "ok"},
        "data": {},
        "pagination": {
            "type": "object",
            "properties": {
                "has_more": {"type": "boolean"},
                "next_cursor": {"type": ["string", "null"]},
            },
        },
    },
}
_ERROR: Final[Json] = {
    "type": "object",
    "required": ["status", "error", "meta"],
    "properties": {
        "status": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "examples": list(CODES)},
                "message": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object"}},
                "retry_after": {"type": "number"},
            },
        },
        "meta": {"type": "object", "properties": {"request_id": {"type": ["string", "null"]}}},
    },
}
