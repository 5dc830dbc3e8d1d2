"""Waiting for the use cases to hold in the corners."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from hub.core.errors import Conflict, HubError, Invalid, Missing
from hub.core.values import Participant
from hub.parts import Parts
from hub.wire.bodies import validate
from hub.wire.requests import CreateKey, CreateParticipant, MemberChange, NewMember
from tests.support.parts import ACME, ALICE, BOB, ELIZA, Posts, add_room, add_session
from tests.support.parts import ADMIN as BOSS

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


async def test_a_member_comes_changes_and_goes_at_the_same_time(parts: Parts) -> None:
    await add_room(parts.store)
    carol = validate(NewMember, {"type": "user", "id": "user_carol"})

    async def again(work: Callable[[], Awaitable[object]]) -> None:
        for _ in range(20):
            with contextlib.suppress(Missing):
                await work()

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(again(lambda: parts.rooms.add_member(ALICE, "room_1", carol)))
            group.create_task(
                again(lambda: parts.rooms.remove_member(ALICE, "room_1", "user_carol"))
            )
            group.create_task(
                again(lambda: parts.rooms.change_member(ALICE, "room_1", "user_carol", ADMIN))
            )


async def test_a_run_is_cancelled_while_its_session_is_erased(parts: Parts) -> None:
    posts = Posts(parts.store)
    for number in range(5):
        session_id = f"sess_{number}"
        await add_session(parts.store, session_id)
        asked = await posts.send(session_id, calls=[ELIZA])
        work: list[Awaitable[object]] = [
            parts.runs.cancel(BOSS, asked.runs[0].id) for _ in range(6)
        ]
        work.insert(3, parts.sessions.delete(BOSS, session_id, hard=True))
        for outcome in await asyncio.gather(*work, return_exceptions=True):
            assert not isinstance(outcome, BaseException) or isinstance(outcome, Missing), outcome


async def test_of_many_who_take_a_name_at_the_same_time_one_has_it(parts: Parts) -> None:
    body = validate(CreateParticipant, {"type": "user", "id": "user_dave", "name": "Dave"})
    work = [parts.participants.create(BOSS, body) for _ in range(8)]
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert (7, 1) == (len(refused), len([o for o in outcomes if isinstance(o, Participant)]))


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.9999999Z"])
async def test_a_key_has_a_time_that_can_be_shown_or_is_refused(time: str, parts: Parts) -> None:
    try:
        await parts.access.create_key(ALICE, validate(CreateKey, {"name": "k", "expires_at": time}))
    except HubError as error:
        assert isinstance(error, Invalid)
