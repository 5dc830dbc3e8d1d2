"""`GET /v1/sessions?metadata.KEY=VALUE` from outside: found by what applications keep."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.e2e.people import Person, named
from tests.e2e.refusals import INVALID, check_answer


def start(person: Person, metadata: dict[str, Any]) -> str:
    """The id of a new session."""
    body = {"model": "builtin/echo", "title": "T", "metadata": metadata}
    made = person.client.post("/v1/sessions", json=body).raise_for_status()
    return str(made.json()["data"]["id"])


def listed(person: Person, query: str) -> list[str]:
    answer = person.client.get(f"/v1/sessions?{query}").raise_for_status()
    return [item["id"] for item in answer.json()["data"]["items"]]


def test_sessions_are_found_page_by_page_by_owner_and_admin(
    person: Person, stranger: Person, tenant_admin: Person
) -> None:
    project = named("proj")
    ids = [start(person, {"project_id": project, "n": n, "even": n % 2 == 0}) for n in range(5)]
    start(person, {"project_id": "another"})
    foreign = start(stranger, {"project_id": project, "n": 7, "even": True})
    asked = f"metadata.project_id={project}"
    assert ids[::-1] == listed(person, asked)
    assert [ids[4], ids[2], ids[0]] == listed(person, f"{asked}&metadata.even=true")
    assert [ids[3]] == listed(person, f"{asked}&metadata.n=3")
    assert [foreign, *ids[::-1]] == listed(tenant_admin, f"{asked}&scope=tenant")
    assert [] == listed(tenant_admin, asked)
    person.client.patch(f"/v1/sessions/{ids[1]}", json={"status": "closed"}).raise_for_status()
    assert [ids[1]] == listed(person, f"{asked}&status=closed")
    seen, cursor = list[str](), ""
    while True:
        page = person.client.get(f"/v1/sessions?{asked}&limit=2{cursor}").raise_for_status().json()
        seen += [item["id"] for item in page["data"]["items"]]
        if not page["pagination"]["has_more"]:
            break
        cursor = f"&cursor={page['pagination']['next_cursor']}"
    assert ids[::-1] == seen


def test_a_session_is_found_by_what_it_has_now_and_while_it_waits(
    person: Person, tenant_admin: Person
) -> None:
    old, new = named("old"), named("new")
    session_id = start(person, {"project_id": old})
    path = f"/v1/sessions/{session_id}"
    person.client.patch(path, json={"metadata": {"project_id": new}}).raise_for_status()
    assert ([], [session_id]) == (
        listed(person, f"metadata.project_id={old}"),
        listed(person, f"metadata.project_id={new}"),
    )
    person.client.post(f"{path}/escalate").raise_for_status()
    asked = f"metadata.project_id={new}"
    assert [session_id] == listed(tenant_admin, f"queue=waiting&{asked}")
    assert [] == listed(tenant_admin, f"queue=waiting&metadata.project_id={old}")
    tenant_admin.client.post(f"{path}/takeover").raise_for_status()
    assert [session_id] == listed(tenant_admin, f"queue=taken&{asked}")
    assert [] == listed(tenant_admin, f"queue=taken&metadata.project_id={old}")
    person.client.delete(path).raise_for_status()
    assert [] == listed(person, asked)


@pytest.mark.parametrize("key", ["a.b", "$.a", 'a"b', "a'b", "' OR '1'='1", "ключ", "a&b=c", "*"])
def test_any_key_is_asked_for_as_it_is(person: Person, key: str) -> None:
    value = 'it\'s 100% "quoted" & ünïcode'
    wanted = start(person, {key: value})
    start(person, {"a": {"b": value}, "b": value})
    assert [wanted] == listed(person, f"{quote(f'metadata.{key}', safe='')}={quote(value)}")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("metadata=x", "metadata"),
        ("metadata.=x", "metadata."),
        ("metadata", "metadata"),
        ("Metadata.a=x", "Metadata.a"),
        ("metadataXa=x", "metadataXa"),
        ("metadata[a]=x", "metadata[a]"),
        ("metadata.a=1&metadata.a=2", "metadata.a"),
        ("metadata.a=%00", "metadata.a"),
        ("metadata.%00=a", "metadata"),
        (f"metadata.{'k' * 257}=a", f"metadata.{'k' * 257}"),
        (f"metadata.a={'v' * 257}", "metadata.a"),
        ("&".join(f"metadata.k{n}=v" for n in range(9)), "metadata"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_name(
    person: Person, query: str, field: str
) -> None:
    check_answer(person.client.get(f"/v1/sessions?{query}"), 422, INVALID, [field])


def test_other_calls_know_no_such_parameter(person: Person) -> None:
    answer = person.client.get("/v1/rooms?metadata.a=x")
    check_answer(answer, 422, INVALID, ["metadata.a"])
    path = f"/v1/sessions/{start(person, {})}"
    check_answer(person.client.get(f"{path}?metadata.a=x"), 422, INVALID, ["metadata.a"])


def test_eight_keys_are_asked_for_at_once(person: Person) -> None:
    metadata = {f"k{n}": n for n in range(8)}
    wanted = start(person, metadata)
    start(person, metadata | {"k7": 0})
    assert [wanted] == listed(person, "&".join(f"metadata.k{n}={n}" for n in range(8)))
