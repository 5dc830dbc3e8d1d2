"""Search and the audit log from outside."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.people import Person, add_room, named
from tests.e2e.test_delivery import post


def texts(answer: dict[str, Any]) -> list[str]:
    return [message["content"] for message in answer["data"]["items"]]


def test_what_was_said_is_found_page_by_page_and_by_nobody_else(
    person: Person, stranger: Person
) -> None:
    word = named("zebra")
    room_id = add_room(person)
    for n in range(5):
        post(person, room_id, f"the {word.upper()} {n}")
    query: dict[str, Any] = {"q": f'the "{word}"', "limit": 2}
    found: list[str] = []
    while True:
        answer = person.client.get("/v1/search", params=query).raise_for_status().json()
        found += texts(answer)
        if not answer["pagination"]["has_more"]:
            break
        query["cursor"] = answer["pagination"]["next_cursor"]
    assert [f"the {word.upper()} {n}" for n in (4, 3, 2, 1, 0)] == found
    assert [] == texts(stranger.client.get("/v1/search", params={"q": word}).json())
    hidden = stranger.client.get("/v1/search", params={"q": word, "room_id": room_id})
    assert 404 == hidden.status_code


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "q"),
        ({"q": ""}, "q"),
        ({"q": "x", "author": "nobody"}, "author"),
        ({"q": "x", "before": "yesterday"}, "before"),
        ({"q": "x", "after": "12"}, "after"),
        ({"q": "x", "limit": "0"}, "limit"),
        ({"q": "x", "sort": "up"}, "sort"),
    ],
)
def test_what_is_wrong_with_a_search_is_named(
    person: Person, query: dict[str, str], field: str
) -> None:
    refused = person.client.get("/v1/search", params=query)
    assert (422, field) == (
        refused.status_code, refused.json()["error"]["details"][0]["field"],
    )  # fmt: skip


def test_an_admin_reads_who_did_what_and_nobody_else(person: Person, tenant_admin: Person) -> None:
    made = tenant_admin.client.post("/v1/api-keys", json={"name": "audited"}).json()["data"]
    newest = tenant_admin.client.get("/v1/audit-log").raise_for_status().json()["data"]["items"]
    (entry,) = [each for each in newest if each["object_id"] == made["id"]]
    assert ("key.created", tenant_admin.id) == (entry["action"], entry["actor_id"])
    assert made["key"] not in str(newest)
    assert 403 == person.client.get("/v1/audit-log").status_code
