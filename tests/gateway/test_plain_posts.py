"""`plain_post`: what is taken directly is what the models would take, and means the same."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from hub.core.errors import Invalid
from hub.core.text import CONTENT_BYTES
from hub.gateway.commands import Post, parsed, plain_post

PLAIN: dict[str, Any] = {"type": "post", "room_id": "room_1", "content": "hello"}
MISSING = object()
TEXTS = ("x", "", " ", "\0", "\ud800", "caf\xe9", 7, True, ["x"], {"x": 1}, MISSING)
VARIANTS: dict[str, tuple[Any, ...]] = {
    "id": (1, "m1", None, MISSING, True, 1.5, [], "x" * 300),
    "content": (*TEXTS, None, "y" * CONTENT_BYTES, "y" * (CONTENT_BYTES + 1), "\u20ac" * 11_000),
    "room_id": (*TEXTS, None, "r" * 80, "r" * 81),
    "client_id": (*TEXTS, None, "c" * 200, "c" * 201),
    "thread_id": (*TEXTS, None, "t" * 80, "t" * 81),
    "mention": (MISSING, [], [{"type": "user", "id": "user_bob"}], "user_bob"),
    "another": (MISSING, 1),
}


def commands() -> list[dict[str, Any]]:
    """Any two fields said in any way."""
    found = []
    for one, other in itertools.combinations(VARIANTS, 2):
        for these, those in itertools.product(VARIANTS[one], VARIANTS[other]):
            command = PLAIN | {one: these, other: those}
            found.append({name: value for name, value in command.items() if value is not MISSING})
    return found


def test_what_is_taken_directly_is_what_the_models_take() -> None:
    taken = 0
    for command in commands():
        plain = plain_post(command)
        if plain is not None:
            taken += 1
            model = parsed(command)
            assert isinstance(model, Post)
            assert not model.mention and not plain.mention
            for name in ("room_id", "content", "client_id", "thread_id"):
                assert getattr(model, name) == getattr(plain, name)
    assert taken > 50


@pytest.mark.parametrize("name", ["client_id", "thread_id", "id"])
def test_a_post_as_clients_send_it_is_taken_directly(name: str) -> None:
    assert plain_post(PLAIN | {name: "one"}) is not None


def test_what_is_no_post_is_left_to_the_models() -> None:
    assert plain_post(PLAIN | {"type": "edit"}) is None
    with pytest.raises(Invalid, match="content"):
        parsed(PLAIN | {"content": ""})
