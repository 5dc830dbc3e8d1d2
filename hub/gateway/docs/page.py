"""`/docs`: the same documents to be read, one page without scripts."""

from __future__ import annotations

from html import escape

import orjson

from hub.core.values import Json
from hub.gateway.docs.codes import CODES

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>roomhub API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/assets/style.css"><link rel="stylesheet" href="/assets/docs.css">
</head><body class="docs"><main><h1>roomhub API</h1>
<p>Machine-readable: <a href="/openapi.json">openapi.json</a>,
<a href="/asyncapi.json">asyncapi.json</a>.</p>"""


def page(http: Json, socket: Json) -> str:
    """The page."""
    parts = [_HEAD, "<h2>HTTP</h2>"]
    for path, methods in http["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(f"{method.upper()} {path}", operation, http))
    parts.append("<h2>WebSocket: GET /v1/ws</h2>")
    for name, message in socket["components"]["messages"].items():
        title = f"{name.partition('.')[0]} {message['name']}"
        schema = _resolved(message["payload"], socket)
        parts.append(_entry(title, message.get("summary", ""), [_schema(schema)]))
    parts += ["<h2>Errors</h2>", _codes()]
    return "\n".join([*parts, "</main></body></html>"])


def _codes() -> str:
    """Every code of an error; clients tell them apart by it, and people read the message."""
    lines = [
        f"<dt><code>{name}</code> {code.status}</dt><dd>{escape(code.meaning)}.</dd>"
        for name, code in CODES.items()
    ]
    return f"<dl>{''.join(lines)}</dl>"


def _operation(title: str, operation: Json, document: Json) -> str:
    inside = []
    if names := [f"{p['name']} ({p['in']})" for p in operation["parameters"]]:
        inside.append(f"<p>{escape(', '.join(names))}</p>")
    for each in operation["parameters"]:
        if each["in"] == "query" and "description" in each:
            inside.append(f"<p>{escape(each['description'])}.</p>")
    if body := operation.get("requestBody"):
        schema = body["content"]["application/json"]["schema"]
        inside.append(_schema(_resolved(schema, document)))
    return _entry(title, operation["summary"], inside)


def _resolved(schema: Json, document: Json) -> Json:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Json = document["components"]["schemas"][name] if name else schema
    return found


def _schema(schema: Json) -> str:
    text = orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode()
    return f"<pre>{escape(text)}</pre>"


def _entry(title: str, summary: str, inside: list[str]) -> str:
    head = f"<summary><code>{escape(title)}</code> {escape(summary)}</summary>"
    return f"<details>{head}{''.join(inside)}</details>"
