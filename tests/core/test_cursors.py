"""`hub.core.cursors`: opaque, bound to one list, refused when changed."""

from __future__ import annotations

import base64

import pytest

from hub.core.cursors import BadCursor, decode, encode

SECRET = b"a secret of the hub"


@pytest.mark.parametrize("value", ["", "room_01", "42", "ünïcode 😀", "x" * 500])
def test_a_cursor_brings_its_value_back(value: str) -> None:
    assert decode(SECRET, "rooms", encode(SECRET, "rooms", value)) == value


def test_a_cursor_can_stand_in_a_url() -> None:
    made = encode(SECRET, "rooms", "room_\u00ff\u00fe?>" * 7)
    assert made.replace("-", "").replace("_", "").isalnum()


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(BadCursor):
        decode(SECRET, "sessions", encode(SECRET, "rooms", "room_1"))


def test_the_border_of_scope_and_value_cannot_be_moved() -> None:
    with pytest.raises(BadCursor):
        decode(SECRET, "room", encode(SECRET, "rooms", "1"))
    with pytest.raises(BadCursor):
        decode(SECRET, "rooms1", encode(SECRET, "rooms", "1"))


def test_a_cursor_of_another_hub_is_refused() -> None:
    with pytest.raises(BadCursor):
        decode(SECRET, "rooms", encode(b"another secret", "rooms", "room_1"))


def test_a_cursor_with_any_bit_changed_is_refused() -> None:
    raw = bytearray(base64.urlsafe_b64decode(encode(SECRET, "rooms", "room_01ab")))
    for at in range(len(raw) * 8):
        raw[at // 8] ^= 1 << at % 8
        changed = base64.urlsafe_b64encode(raw).decode()
        with pytest.raises(BadCursor):
            decode(SECRET, "rooms", changed)
        raw[at // 8] ^= 1 << at % 8


@pytest.mark.parametrize(
    "text", ["", "a", "AAAA", "!!!!", "room_1", "ü" * 20, "\ud800", "\0", "=" * 9, "A" * 10_000]
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        decode(SECRET, "rooms", text)
