"""The extractor finds every example of the user's document, whole and with nothing else."""

from __future__ import annotations

import json

import pytest

from tests.e2e.snippets import HOST, documented, extract

CURL = f"curl -X %s {HOST}/v1/%s \\"
EXPECTED = [
    ("bash", CURL % ("POST", "sessions"), "Creating a session#"),
    ("python", "resp = httpx.post(", "Creating a session#"),
    ("typescript", f'const resp = await fetch("{HOST}/v1/sessions", {{', "Creating a session#"),
    ("bash", CURL % ("POST", "sessions/{session_id}/messages"), "Sending a message#"),
    ("json", "{", "Response:"),
    ("bash", f'curl "{HOST}/v1/sessions?limit=20" \\', "Listing sessions#"),
    ("bash", f"curl {HOST}/v1/sessions/{{session_id}} \\", "Retrieving full history#"),
    ("python", "with httpx.stream(", 'Same as chat completions — set "stream": true:'),
    ("bash", CURL % ("PATCH", "sessions/{session_id}"), "Updating session metadata#"),
    ("bash", CURL % ("DELETE", "sessions/{session_id}"), "Deleting a session#"),
    ("bash", CURL % ("POST", "rooms"), "Creating a room#"),
    ("bash", CURL % ("POST", "rooms/{room_id}/members"), "Adding members#"),
    ("bash", CURL % ("POST", "rooms/{room_id}/messages"), "Posting a message#"),
    ("bash", CURL % ("POST", "rooms/{room_id}/messages/{msg_id}/reply"), "Threaded replies#"),
]


def test_every_example_of_the_document_is_found_in_order() -> None:
    found = documented()
    assert EXPECTED == [(s.language, s.first_line, s.after) for s in found]
    assert [9, 12, 14, 7, 9, 2, 2, 14, 4, 2, 12, 4, 7, 4] == [
        len(s.code.splitlines()) for s in found
    ]


def test_an_example_ends_where_its_gutter_says() -> None:
    found = documented()
    ends = [s.code.rstrip("\n").splitlines()[-1].strip() for s in found]
    assert ["}'", 'print(session["id"])  # sess_abc123'] == ends[:2]
    assert "const session = (await resp.json()).data;" == ends[2]
    assert {"status", "data"} == set(json.loads(found[4].code))
    for python in (found[1], found[7]):
        compile(python.code, "snippet", "exec")


def test_code_that_looks_like_a_gutter_or_a_language_stays_code() -> None:
    text = "See\nbash\n 1\n 2\n 3\npython\n1\n2\nThat was bash\nbash\n1\necho\n"
    found = extract(text)
    assert [("bash", "python\n1\n2\n", "See"), ("bash", "echo\n", "That was bash")] == [
        (s.language, s.code, s.after) for s in found
    ]


def test_a_language_without_a_gutter_is_prose() -> None:
    assert [] == extract("bash\nis a shell\n2\n")


def test_an_example_that_is_cut_off_is_an_error() -> None:
    with pytest.raises(ValueError, match="line 1: the gutter counts 3 lines, 1 follow"):
        extract("json\n1\n2\n3\n{\n")
