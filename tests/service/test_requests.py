"""`hub.service.requests`: what makes a retry the same request."""

from __future__ import annotations

import pytest

from hub.service.requests import request_key
from hub.wire.bodies import validate
from hub.wire.requests import PostMessage
from tests.support.parts import ALICE, BOB, RIVAL, actor

BODY = validate(PostMessage, {"content": "a", "client_id": "c1"})


def test_without_a_key_there_is_none() -> None:
    assert request_key(ALICE, "rooms", None, BODY) is None


def test_the_key_itself_is_no_part_of_the_digest() -> None:
    """A retry by Idempotency-Key and one by client_id carry the same body."""
    bare = validate(PostMessage, {"content": "a"})
    assert request_key(ALICE, "rooms", "k", BODY) == request_key(ALICE, "rooms", "k", bare)


@pytest.mark.parametrize("content", ["b", "a ", "A"])
def test_another_body_has_another_digest(content: str) -> None:
    one = request_key(ALICE, "x", "k", BODY)
    other = request_key(ALICE, "x", "k", validate(PostMessage, {"content": content}))
    assert one is not None
    assert other is not None
    assert one.digest != other.digest


def test_a_key_is_of_one_caller_and_one_target() -> None:
    scopes = {
        key.scope
        for who in (ALICE, BOB, actor("user_alice", RIVAL))
        for what in ("rooms", "post/room_1/")
        if (key := request_key(who, what, "k", BODY))
    }
    assert len(scopes) == 6
