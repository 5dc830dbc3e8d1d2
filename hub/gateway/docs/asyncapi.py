"""AsyncAPI 3 of the WebSocket, from its commands and from the events as they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Final

from pydantic import BaseModel

from hub.core.values import Json
from hub.gateway.docs.schemas import Schemas, schema_of
from hub.gateway.docs.shapes import EVENTS, Shape

_ID: Final[Json] = {"type": ["string", "integer", "null"]}
_TEXT: Final[Json] = {"type": "string"}
_REPLY: Final[Json] = {
    "type": "object",
    "required": ["type", "id", "ok"],
    "properties": {
        "type": {"const": "reply"}, "id": _ID, "ok": {"type": "boolean"},
        "data": {"type": "object"}, "error": {"type": "object"},
    },
}  # fmt: skip
_HELLO: Final[Json] = {
    "type": "object",
    "required": ["type", "connection_id", "participant", "heartbeat_s", "limits"],
    "properties": {
        "type": {"const": "hello"}, "connection_id": _TEXT, "participant": {"type": "object"},
        "expires_at": {"type": ["string", "null"]}, "heartbeat_s": {"type": "number"},
        "limits": {"type": "object"},
    },
}  # fmt: skip

_SCHEMES: Final[Json] = {
    "bearer": {
        "type": "http", "scheme": "bearer", "bearerFormat": "an API key, or a JSON Web Token",
        "description": "As over HTTP: see `/openapi.json`",
    },
    "ticket": {
        "type": "httpApiKey", "in": "query", "name": "ticket",
        "description": "From `POST /v1/tickets`, for what can set no header: it works once",
    },
}  # fmt: skip


def asyncapi(commands: Mapping[str, type[BaseModel]]) -> Json:
    """The document."""
    schemas = Schemas()
    taken = {
        f"command.{kind}": {"name": kind, "payload": schemas.ref(model)}
        for kind, model in commands.items()
    }
    sent = {
        "hello": {"name": "hello", "payload": _HELLO},
        "reply": {"name": "reply", "payload": _REPLY},
        **{
            f"event.{kind}": {"name": kind, "summary": shape.summary,
                              "payload": _event(kind, shape)}
            for kind, shape in EVENTS.items()
        },
    }  # fmt: skip
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "roomhub",
            "version": version("roomhub"),
            "description": "Subprotocols roomhub.v1.json and roomhub.v1.msgpack: the same maps. "
            "Who has sent neither a header nor a ticket sends the command `auth` first, with a "
            "key, a JSON Web Token or a ticket, within 5 s. A later `auth` with another of the "
            "same participant goes on after the first one's end.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "socket": {"address": "/v1/ws", "messages": _refs("components", [*taken, *sent])}
        },
        "operations": {
            "commands": _operation("receive", "What a client may send", taken),
            "events": _operation("send", "What a client is sent", sent),
        },
        "components": {
            "messages": taken | sent,
            "schemas": schemas.found,
            "securitySchemes": _SCHEMES,
        },
    }


def _refs(where: str, names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/{where}/messages/{name}"} for name in names}


def _operation(action: str, summary: str, messages: Iterable[str]) -> Json:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": "#/channels/socket"},
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _SCHEMES],
        "messages": list(_refs("channels/socket", messages).values()),
    }


def _event(kind: str, shape: Shape) -> Json:
    fields: Json = {"type": {"const": kind}, "at": _TEXT, "data": schema_of(shape.samples)}
    if shape.of_room:
        fields["room_id"] = _TEXT
    if shape.where == "log":
        fields["seq"] = {"type": "integer", "minimum": 1}
    return {"type": "object", "properties": fields, "required": list(fields)}
