"""`hub.gateway.docs`: every path, command and event of the code is in the documents."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from hub.gateway.commands import COMMANDS
from hub.gateway.docs.asyncapi import asyncapi
from hub.gateway.docs.codes import CODES
from hub.gateway.docs.openapi import BESIDE, openapi, written
from hub.gateway.docs.page import page
from hub.gateway.docs.shapes import EVENTS
from hub.gateway.rest.table import OPERATIONS

HTTP, SOCKET = openapi(OPERATIONS), asyncapi(COMMANDS)
SOURCES = Path(__file__).parents[3]
KINDS = re.compile(r'"((?:room|member|message|reaction|run)\.[a-z]+|typing|presence|auth\.\w+)"')
NO_EVENTS = {"room.mention", "run.cancelled"}  # what a webhook is sent


def references(value: Any) -> list[str]:
    """Every `$ref` in a document."""
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for each in value.values() for ref in references(each)]
    return [ref for each in value for ref in references(each)] if isinstance(value, list) else []


def pointed(document: Any, ref: str) -> Any:
    found = document
    for part in ref.removeprefix("#/").split("/"):
        found = found[part]
    return found


@pytest.mark.parametrize("document", [HTTP, SOCKET], ids=["openapi", "asyncapi"])
def test_everything_that_is_referred_to_is_there(document: dict[str, Any]) -> None:
    refs = references(document)
    assert refs
    for ref in refs:
        assert pointed(document, ref), ref


def test_every_operation_is_described_with_what_it_takes() -> None:
    described = {(m.upper(), path) for path, found in HTTP["paths"].items() for m in found}
    listed = {(each.method, written(each.path)) for each in OPERATIONS}
    listed |= {(each.method, each.path) for each in BESIDE}
    assert listed == described
    assert len(OPERATIONS) + len(BESIDE) == len(described)
    for operation in OPERATIONS:
        found = HTTP["paths"][written(operation.path)][operation.method.lower()]
        named = {p["name"] for p in found["parameters"] if p["in"] == "path"}
        assert set(re.findall(r"\{(\w+)\}", written(operation.path))) == named
        assert set(operation.query) == {
            p["name"] for p in found["parameters"] if p["in"] == "query"
        }
        assert (operation.body is not None) == ("requestBody" in found)


def test_an_idempotency_key_is_described_where_it_has_an_effect() -> None:
    """Where a handler does not ask for it, it would be a promise that nobody keeps."""
    keyed = {
        path
        for path, found in HTTP["paths"].items()
        for each in found.values()
        if "Idempotency-Key" in {parameter["name"] for parameter in each["parameters"]}
    }
    asks = {written(each.path) for each in OPERATIONS if ".key(" in inspect.getsource(each.handler)}
    assert asks == keyed
    assert {"/v1/rooms", "/v1/sessions", "/v1/tickets", "/v1/api-keys"} <= keyed


def test_a_body_is_required_where_its_handler_requires_it() -> None:
    for each in OPERATIONS:
        if each.body is not None:
            found = HTTP["paths"][written(each.path)][each.method.lower()]["requestBody"]
            asks = inspect.getsource(each.handler)
            assert ("body_if_any(" not in asks) == found["required"], each.path


@pytest.mark.parametrize(
    ("path", "name", "schema"),
    [
        ("/v1/rooms/{room_id}/messages", "before", {"type": "integer", "minimum": 0}),
        ("/v1/rooms/{room_id}/events", "since", {"type": "integer", "minimum": 0}),
        ("/v1/search", "before", {"type": "string", "format": "date-time"}),
        ("/v1/usage", "since", {"type": "string", "format": "date-time"}),
        ("/v1/sessions", "status", {"type": "string"}),
    ],
)
def test_a_parameter_is_a_seq_or_a_time(path: str, name: str, schema: dict[str, Any]) -> None:
    described = {each["name"]: each for each in HTTP["paths"][path]["get"]["parameters"]}
    assert schema == described[name]["schema"]


def test_parameters_that_begin_alike_are_an_object_of_them() -> None:
    """Which OpenAPI sends as `metadata.KEY=VALUE`, each a parameter of its own."""
    described = {p["name"]: p for p in HTTP["paths"]["/v1/sessions"]["get"]["parameters"]}
    found = described["metadata.*"]
    assert ("form", True, "object") == (found["style"], found["explode"], found["schema"]["type"])
    (name,) = found["example"]
    pattern = found["schema"]["propertyNames"]["pattern"]
    assert re.search(pattern, name)
    assert not any(re.search(pattern, other) for other in ("metadata.", "metadata", "metadataX"))
    assert "project_id" in page(HTTP, SOCKET)


def test_operations_have_names_of_their_own_and_answers() -> None:
    found = [each for path in HTTP["paths"].values() for each in path.values()]
    assert len(found) == len({each["operationId"] for each in found})
    assert all({"2XX", "default"} == each["responses"].keys() for each in found)
    assert "3.1.0" == HTTP["openapi"]


def test_a_body_is_described_field_by_field() -> None:
    post = HTTP["paths"]["/v1/rooms/{room_id}/messages"]["post"]["requestBody"]
    schema = pointed(HTTP, post["content"]["application/json"]["schema"]["$ref"])
    assert {"content", "mention", "client_id"} == schema["properties"].keys()
    assert (["content"], False) == (schema["required"], schema["additionalProperties"])


def test_every_command_and_every_event_is_a_message() -> None:
    messages = SOCKET["components"]["messages"]
    assert {f"command.{kind}" for kind in COMMANDS} | {f"event.{kind}" for kind in EVENTS} | {
        "hello",
        "reply",
    } == messages.keys()
    assert messages.keys() == SOCKET["channels"]["socket"]["messages"].keys()
    commands, events = SOCKET["operations"]["commands"], SOCKET["operations"]["events"]
    assert ("receive", "send") == (commands["action"], events["action"])
    assert len(messages) == len(commands["messages"]) + len(events["messages"])
    assert "3.0.0" == SOCKET["asyncapi"]


def test_no_event_that_the_code_names_is_left_out() -> None:
    named: set[str] = set()
    for folder in ("hub/core", "hub/store", "hub/service", "hub/gateway", "hub/wire", "workers"):
        for path in (SOURCES / folder).rglob("*.py"):
            if "docs" not in path.parts:
                named |= set(KINDS.findall(path.read_text()))
    assert named - NO_EVENTS - COMMANDS.keys() <= EVENTS.keys()
    assert {"message.created", "presence", "run.status"} <= named


def test_an_event_is_described_as_it_is_sent() -> None:
    created = SOCKET["components"]["messages"]["event.message.created"]["payload"]
    assert ["type", "at", "data", "room_id", "seq"] == created["required"]
    data = created["properties"]["data"]
    assert {"type": ["string", "null"]} == data["properties"]["thread_id"]
    assert {"type": "integer"} == data["properties"]["seq"]
    assert {"type", "id", "handle", "name"} == set(data["properties"]["author"]["required"])
    typing = SOCKET["components"]["messages"]["event.typing"]["payload"]
    assert "seq" not in typing["properties"]


def test_the_page_names_everything_and_runs_nothing() -> None:
    text = page(HTTP, SOCKET)
    for operation in OPERATIONS:
        assert f"{operation.method} {written(operation.path)}" in text
    for kind in COMMANDS:
        assert f"command {kind}" in text
    for code in CODES:
        assert f"<code>{code}</code>" in text
    assert "<script" not in text


def test_a_part_that_may_hold_slashes_is_a_parameter_like_any_other() -> None:
    assert all(re.fullmatch(r"(/[\w.-]+|/\{\w+\})+", path) for path in HTTP["paths"])
    put = HTTP["paths"]["/v1/models/{slug}"]["put"]
    assert ["slug"] == [each["name"] for each in put["parameters"] if each["in"] == "path"]
