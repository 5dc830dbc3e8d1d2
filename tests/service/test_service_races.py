"""Waiting for the use cases to hold in the corners."""

from __future__ import annotations

import asyncio

import pytest

from hub.core.errors import HubError, Invalid
from hub.parts import Parts
from hub.wire.bodies import validate
from hub.wire.requests import CreateKey, MemberChange
from tests.support.parts import ACME, ALICE, BOB, add_room

OWNER, ADMIN = (validate(MemberChange, {"role": role}) for role in ("owner", "admin"))


async def test_two_owners_who_go_at_the_same_time_leave_one(parts: Parts) -> None:
    await add_room(parts.store)
    await parts.rooms.change_member(ALICE, "room_1", "user_bob", OWNER)
    await asyncio.gather(
        parts.rooms.change_member(ALICE, "room_1", "user_alice", ADMIN),
        parts.rooms.change_member(BOB, "room_1", "user_bob", ADMIN),
        return_exceptions=True,
    )
    view = await parts.store.rooms.view(ACME, "room_1")
    assert view is not None
    assert [m for m in view.members.values() if m.role == "owner"]


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.9999999Z"])
async def test_a_key_has_a_time_that_can_be_shown_or_is_refused(time: str, parts: Parts) -> None:
    try:
        await parts.access.create_key(ALICE, validate(CreateKey, {"name": "k", "expires_at": time}))
    except HubError as error:
        assert isinstance(error, Invalid)
