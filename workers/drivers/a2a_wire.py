"""Agent2Agent as it is written: requests and events of protocol 1.0 and 0.3. Pure.

Source: the specifications 1.0 (a2a-protocol.org/v1.0.0/specification; JSON-RPC and HTTP+JSON
bindings) and 0.3 (JSON-RPC only). Everything read comes from a stranger.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import httpx

from hub.core.errors import Backend
from hub.core.text import text_fault
from hub.core.values import Json
from workers.drivers.a2a_card import Interface
from workers.drivers.reply_text import clean, line_of

ID_CHARS = 512
ENDED = frozenset({"completed", "failed", "rejected", "canceled"})

Operation = Literal["send", "stream", "get", "cancel", "subscribe"]

_METHODS: dict[Operation, tuple[str, str]] = {  # in 1.0, in 0.3
    "send": ("SendMessage", "message/send"),
    "stream": ("SendStreamingMessage", "message/stream"),
    "get": ("GetTask", "tasks/get"),
    "cancel": ("CancelTask", "tasks/cancel"),
    "subscribe": ("SubscribeToTask", "tasks/resubscribe"),
}
_PATHS: dict[Operation, tuple[str, str]] = {
    "send": ("POST", "/message:send"),
    "stream": ("POST", "/message:stream"),
    "get": ("GET", "/tasks/{id}"),
    "cancel": ("POST", "/tasks/{id}:cancel"),
    "subscribe": ("POST", "/tasks/{id}:subscribe"),
}


@dataclass(frozen=True, slots=True)
class Artifact:
    """A piece of an artifact's text; all of it unless it is to be appended."""

    id: str
    text: str
    append: bool = False
    last: bool = False


@dataclass(frozen=True, slots=True)
class TaskNews:
    """What is new of a task; `whole` when it is all there is to know of it."""

    task_id: str
    context_id: str
    state: str | None = None
    said: str = ""
    said_id: str = ""
    artifacts: tuple[Artifact, ...] = ()
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the agent: the whole reply when there is no task."""

    text: str


News = TaskNews | Said


# What is sent.


def call(interface: Interface, operation: Operation, params: Json) -> tuple[str, str, Json | None]:
    """(HTTP method, URL, JSON body) of one call."""
    if interface.binding == "JSONRPC":
        if interface.tenant:
            params = {"tenant": interface.tenant, **params}
        method = _METHODS[operation][interface.old]
        return "POST", interface.url, {"jsonrpc": "2.0", "id": 1, "method": method,
                                       "params": params}  # fmt: skip
    verb, path = _PATHS[operation]
    tenant = f"/{quote(interface.tenant, safe='')}" if interface.tenant else ""
    path = tenant + path.replace("{id}", quote(str(params.get("id", "")), safe=""))
    url = httpx.URL(interface.url)
    url = url.copy_with(raw_path=url.raw_path.rstrip(b"/") + path.encode())
    if verb == "GET":
        return verb, str(url.copy_merge_params({"historyLength": "0"})), None
    return verb, str(url), params


def send_params(interface: Interface, message: Json, *, text: list[str], stream: bool) -> Json:
    """The parameters of a send: the agent is not to keep the request open until it has finished,
    so that its task is known at once."""
    waits: Json = {"blocking": stream} if interface.old else {"returnImmediately": not stream}
    if interface.old:
        message = {"kind": "message", "role": "user", **message}
        parts: list[Json] = [{"kind": "text", "text": piece} for piece in text]
    else:
        message = {"role": "ROLE_USER", **message}
        parts = [{"text": piece} for piece in text]
    modes = ["text/plain", "text/markdown", "application/json"]
    return {
        "message": {**message, "parts": parts},
        "configuration": {"acceptedOutputModes": modes, **waits},
    }


# What comes back.


def read_json(body: str | bytes) -> Mapping[str, Any]:
    """A body that must be a JSON object. Raises Backend."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, Mapping):
        raise Backend("the agent sent something that is not a JSON object")
    return parsed


def error_text(error: Any) -> str:
    """What an error object says, in one line; nothing when it says nothing."""
    if isinstance(error, Mapping):
        error = error.get("message")
    return line_of(clean(error), 300) if isinstance(error, str) else ""


def news_of(result: Any) -> News:
    """One result or event of a stream. Raises Backend when it is none."""
    if isinstance(result, Mapping):
        for kind, read in _READERS.items():
            body = result.get(kind)
            if isinstance(body, Mapping):
                return read(body)
        read_old = _READERS_OLD.get(_text(result.get("kind")))
        if read_old is not None:
            return read_old(result)
        if "status" in result and "id" in result:
            return _task(result)
    raise Backend("the agent sent something that is neither a message nor news of a task")


def _task(body: Mapping[str, Any]) -> TaskNews:
    state, said, said_id = _status(body.get("status"))
    artifacts = tuple(_artifact(item) for item in _objects(body.get("artifacts")))
    context_id = _id(body.get("contextId"))
    return TaskNews(
        _task_id(body.get("id")), context_id, state, said, said_id, artifacts, whole=True
    )


def _status_update(body: Mapping[str, Any]) -> TaskNews:
    return TaskNews(
        _task_id(body.get("taskId")), _id(body.get("contextId")), *_status(body.get("status"))
    )


def _artifact_update(body: Mapping[str, Any]) -> TaskNews:
    given = body.get("artifact")
    if not isinstance(given, Mapping):
        raise Backend("the agent sent an artifact without content")
    artifact = _artifact(
        given, append=body.get("append") is True, last=body.get("lastChunk") is True
    )
    return TaskNews(_task_id(body.get("taskId")), _id(body.get("contextId")), artifacts=(artifact,))


def _said(body: Mapping[str, Any]) -> Said:
    return Said(message_text(body))


_READERS: dict[str, Callable[[Mapping[str, Any]], News]] = {
    "task": _task,
    "message": _said,
    "statusUpdate": _status_update,
    "artifactUpdate": _artifact_update,
}
_READERS_OLD: dict[str, Callable[[Mapping[str, Any]], News]] = {
    "task": _task,
    "message": _said,
    "status-update": _status_update,
    "artifact-update": _artifact_update,
}


def _status(status: Any) -> tuple[str, str, str]:
    """(state in the words of 0.3, what the agent says about it, the id of that message)."""
    if not isinstance(status, Mapping):
        raise Backend("the agent sent a task without a status")
    state = _text(status.get("state")).lower().removeprefix("task_state_").replace("_", "-")
    message = status.get("message")
    if not isinstance(message, Mapping):
        return state, "", ""
    return state, message_text(message), _id(message.get("messageId"))


def _artifact(given: Mapping[str, Any], *, append: bool = False, last: bool = False) -> Artifact:
    text = "".join(_part(part) for part in _objects(given.get("parts")))
    return Artifact(_text(given.get("artifactId")), text, append, last)


def message_text(message: Mapping[str, Any]) -> str:
    """All parts of a message, a line each at least."""
    parts = [_part(part) for part in _objects(message.get("parts"))]
    return "\n".join(part for part in parts if part).strip("\n")


def _part(part: Mapping[str, Any]) -> str:
    """A part as text: data as fenced JSON, of a file no more than its name and address."""
    if isinstance(part.get("text"), str):
        return str(part["text"])
    if "data" in part:
        return f"\n\n```json\n{_pretty(part['data'])}\n```\n"
    file = part.get("file") if isinstance(part.get("file"), Mapping) else part
    assert isinstance(file, Mapping)
    url = _text(file.get("url")) or _text(file.get("uri"))
    name = line_of(clean(_text(file.get("filename")) or _text(file.get("name"))))
    if url.startswith(("http://", "https://")):
        return f"\n\nFile: {name or 'unnamed'} {line_of(clean(url), 2000)}\n"
    if url or "raw" in file or "bytes" in file:
        return f"\n\nFile: {name or 'unnamed'} (not included)\n"
    return ""


def _pretty(data: Any) -> str:
    try:
        return json.dumps(data, ensure_ascii=False, indent=2)
    except RecursionError:
        raise Backend("the agent sent data that is nested too deep") from None


def _task_id(value: Any) -> str:
    found = _id(value)
    if not found:
        raise Backend("the agent sent a task without a usable id")
    return found


def _id(value: Any) -> str:
    usable = isinstance(value, str) and len(value) <= ID_CHARS and not text_fault(value)
    return str(value) if usable else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
