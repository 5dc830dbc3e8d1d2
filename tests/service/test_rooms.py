"""`hub.service.rooms`: who may do what to a room and its members."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.core.errors import Conflict, Denied, HubError, Invalid, Missing
from hub.core.values import Actor, RoomView
from hub.parts import Parts
from hub.ports import Page
from hub.service.requests import request_key
from hub.wire.bodies import validate
from hub.wire.requests import ChangeRoom, CreateRoom, MemberChange, NewMember
from tests.support.parts import (
    ADMIN,
    ALICE,
    BOB,
    CAROL,
    ELIZA,
    RIVAL,
    actor,
    add_session,
    participant,
)


def ref(participant_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": participant_id.split("_")[0], "id": participant_id} | fields


async def made(parts: Parts, *others: str, by: Actor = ALICE, **fields: Any) -> RoomView:
    """A room of Alice's with these others in it, `user_bob:admin` for a role."""
    members = [ref(o.split(":")[0], role=o.partition(":")[2] or "member") for o in others]
    body = validate(CreateRoom, {"name": "Design", "initial_members": members} | fields)
    return await parts.rooms.create(by, body)


def change(role: str | None = None, engagement: str | None = None) -> MemberChange:
    fields = {"role": role, "engagement": engagement}
    return validate(MemberChange, {k: v for k, v in fields.items() if v})


async def refused(asked: Any, kind: type[HubError], code: str) -> HubError:
    with pytest.raises(kind) as caught:
        await asked
    assert caught.value.code == code
    return caught.value


async def test_whoever_creates_a_room_owns_it(parts: Parts) -> None:
    view = await made(parts, "user_bob", ELIZA)
    assert {m.author.id: m.role for m in view.members.values()} == {
        "user_alice": "owner", "user_bob": "member", ELIZA: "member"
    }  # fmt: skip
    assert view.room.private


async def test_naming_oneself_or_somebody_twice_is_no_error(parts: Parts) -> None:
    view = await made(parts, "user_alice:observer", "user_bob", "user_alice", "user_bob")
    assert {m.author.id: m.role for m in view.members.values()} == {
        "user_alice": "owner", "user_bob": "member"
    }  # fmt: skip


@pytest.mark.parametrize(
    "others", [("user_alice", "user_bob", "user_nobody"), ("user_bob", "user_bob", "bot_nobody")]
)
async def test_an_unknown_participant_is_named_by_its_place(
    others: tuple[str, ...], parts: Parts
) -> None:
    error = await refused(made(parts, *others), Invalid, "VALIDATION_ERROR")
    assert error.details[0].field == "initial_members[2].id"
    assert await parts.rooms.page(ALICE, whole_tenant=False, page=Page(10)) == []


async def test_a_participant_of_another_tenant_is_unknown(parts: Parts) -> None:
    await parts.store.participants.create(participant("user_theirs", RIVAL), None)
    error = await refused(made(parts, "user_theirs"), Invalid, "VALIDATION_ERROR")
    assert error.message == ("initial_members[0].id: there is no participant user_theirs")


async def test_the_same_request_makes_one_room(parts: Parts) -> None:
    body = validate(CreateRoom, {"name": "Design"})
    key = request_key(ALICE, "rooms", "k", body)
    first, again = await asyncio.gather(*(parts.rooms.create(ALICE, body, key) for _ in range(2)))
    assert first.room.id == again.room.id
    other = validate(CreateRoom, {"name": "Other"})
    conflict = parts.rooms.create(ALICE, other, request_key(ALICE, "rooms", "k", other))
    await refused(conflict, Conflict, "IDEMPOTENCY_CONFLICT")


async def test_owners_and_admins_add_members_and_others_do_not(parts: Parts) -> None:
    room = (await made(parts, "user_bob:admin", "user_carol")).room
    new = validate(NewMember, ref("bot_own"))
    await refused(parts.rooms.add_member(CAROL, room.id, new), Denied, "AUTHZ_PERMISSION_DENIED")
    member, is_new = await parts.rooms.add_member(BOB, room.id, new)
    assert (member.author.id, is_new) == ("bot_own", True)
    promoted = validate(NewMember, ref("bot_own", role="admin"))
    again, is_new = await parts.rooms.add_member(ALICE, room.id, promoted)
    assert (again, is_new) == (member, False)


async def test_who_may_read_a_room_joins_it_and_manages_nobody(parts: Parts) -> None:
    public, private = (await made(parts, private=False)).room, (await made(parts)).room
    for who, room in ((BOB, public), (ADMIN, private), (ADMIN, public)):
        denied = ({"role": "owner"}, {"role": "admin"}, {"engagement": "always"})
        for fields in denied:
            asked = parts.rooms.add_member(who, room.id, validate(NewMember, ref(who.id, **fields)))
            await refused(asked, Denied, "AUTHZ_PERMISSION_DENIED")
        other = parts.rooms.add_member(who, room.id, validate(NewMember, ref("bot_own")))
        await refused(other, Denied, "AUTHZ_PERMISSION_DENIED")
        member, is_new = await parts.rooms.add_member(
            who, room.id, validate(NewMember, ref(who.id))
        )
        assert (who.id, "member", True) == (member.author.id, member.role, is_new)
        again = parts.rooms.add_member(who, room.id, validate(NewMember, ref("bot_own")))
        await refused(again, Denied, "AUTHZ_PERMISSION_DENIED")
    stranger = parts.rooms.add_member(BOB, private.id, validate(NewMember, ref(BOB.id)))
    await refused(stranger, Missing, "ROOM_NOT_FOUND")
    await add_session(parts.store)
    asked = parts.rooms.add_member(ADMIN, "sess_1", validate(NewMember, ref(ADMIN.id)))
    await refused(asked, Missing, "ROOM_NOT_FOUND")


async def test_nobody_joins_an_archived_room_by_themselves(parts: Parts) -> None:
    room = (await made(parts, private=False)).room
    await parts.rooms.archive(ALICE, room.id)
    me = validate(NewMember, ref(BOB.id))
    await refused(parts.rooms.add_member(BOB, room.id, me), Conflict, "ROOM_ARCHIVED")
    await parts.rooms.restore(ALICE, room.id)
    assert (await parts.rooms.add_member(BOB, room.id, me))[1]


async def test_an_unknown_new_member_is_named(parts: Parts) -> None:
    room = (await made(parts)).room
    asked = parts.rooms.add_member(ALICE, room.id, validate(NewMember, ref("user_nobody")))
    assert (await refused(asked, Invalid, "VALIDATION_ERROR")).details[0].field == "id"


async def test_only_owners_make_change_and_remove_owners(parts: Parts) -> None:
    room = (await made(parts, "user_bob:admin", "user_carol")).room
    denied = [
        parts.rooms.add_member(BOB, room.id, validate(NewMember, ref("bot_own", role="owner"))),
        parts.rooms.change_member(BOB, room.id, "user_carol", change("owner")),
        parts.rooms.change_member(BOB, room.id, "user_bob", change("owner")),
        parts.rooms.change_member(BOB, room.id, "user_alice", change("member")),
        parts.rooms.change_member(BOB, room.id, "user_alice", change(engagement="off")),
        parts.rooms.remove_member(BOB, room.id, "user_alice"),
    ]
    for asked in denied:
        await refused(asked, Denied, "AUTHZ_PERMISSION_DENIED")
    assert (await parts.rooms.change_member(ALICE, room.id, "user_bob", change("owner"))).role
    await parts.rooms.remove_member(BOB, room.id, "user_alice")


async def test_the_last_owner_stays(parts: Parts) -> None:
    room = (await made(parts, "user_bob:admin")).room
    for asked in (
        parts.rooms.remove_member(ALICE, room.id, "user_alice"),
        parts.rooms.change_member(ALICE, room.id, "user_alice", change("admin")),
    ):
        await refused(asked, Conflict, "LAST_OWNER")
    await parts.rooms.change_member(ALICE, room.id, "user_bob", change("owner"))
    assert (await parts.rooms.remove_member(ALICE, room.id, "user_alice")).role == "owner"


async def test_anybody_may_leave(parts: Parts) -> None:
    room = (await made(parts, "user_bob:observer")).room
    await parts.rooms.remove_member(BOB, room.id, "user_bob")
    await refused(parts.rooms.read(BOB, room.id), Missing, "ROOM_NOT_FOUND")


async def test_members_do_not_remove_or_change_others(parts: Parts) -> None:
    room = (await made(parts, "user_bob", "user_carol")).room
    for asked in (
        parts.rooms.remove_member(BOB, room.id, "user_carol"),
        parts.rooms.change_member(BOB, room.id, "user_bob", change("admin")),
        parts.rooms.change(BOB, room.id, validate(ChangeRoom, {"name": "Mine"})),
        parts.rooms.archive(BOB, room.id),
        parts.rooms.restore(BOB, room.id),
    ):
        await refused(asked, Denied, "AUTHZ_PERMISSION_DENIED")


async def test_who_is_no_member_is_missing(parts: Parts) -> None:
    room = (await made(parts)).room
    for asked in (
        parts.rooms.remove_member(ALICE, room.id, "user_bob"),
        parts.rooms.change_member(ALICE, room.id, "user_bob", change("admin")),
    ):
        await refused(asked, Missing, "PARTICIPANT_NOT_FOUND")


async def test_strangers_find_nothing_whatever_they_ask(parts: Parts) -> None:
    room = (await made(parts)).room
    for who in (BOB, actor("user_alice", RIVAL), actor("user_admin", RIVAL, "tenant_admin")):
        for asked in (
            parts.rooms.read(who, room.id),
            parts.rooms.add_member(who, room.id, validate(NewMember, ref("user_carol"))),
            parts.rooms.remove_member(who, room.id, who.id),
            parts.rooms.archive(who, room.id),
            parts.rooms.change(who, room.id, validate(ChangeRoom, {"name": "Mine"})),
        ):
            await refused(asked, Missing, "ROOM_NOT_FOUND")


async def test_an_admin_of_the_tenant_reads_and_lists_but_does_not_manage(parts: Parts) -> None:
    room = (await made(parts)).room
    assert (await parts.rooms.read(ADMIN, room.id)).room.id == room.id
    everything = await parts.rooms.page(ADMIN, whole_tenant=True, page=Page(10))
    assert [r.id for r in everything] == [room.id]
    assert await parts.rooms.page(ADMIN, whole_tenant=False, page=Page(10)) == []
    await refused(parts.rooms.archive(ADMIN, room.id), Denied, "AUTHZ_PERMISSION_DENIED")
    listed = parts.rooms.page(ALICE, whole_tenant=True, page=Page(10))
    await refused(listed, Denied, "AUTHZ_PERMISSION_DENIED")


async def test_an_archived_room_can_be_read_and_restored(parts: Parts) -> None:
    room = (await made(parts)).room
    archived = await parts.rooms.archive(ALICE, room.id)
    assert archived.archived_ms is not None
    assert (await parts.rooms.archive(ALICE, room.id)).acl_version == archived.acl_version
    assert (await parts.rooms.read(ALICE, room.id)).room.archived_ms is not None
    assert (await parts.rooms.restore(ALICE, room.id)).archived_ms is None


async def test_a_change_names_only_what_it_changes(parts: Parts) -> None:
    room = (await made(parts, description="old")).room
    changed = await parts.rooms.change(ALICE, room.id, validate(ChangeRoom, {"name": "New"}))
    assert (changed.name, changed.description) == ("New", "old")
    same = await parts.rooms.change(ALICE, room.id, validate(ChangeRoom, {}))
    assert same.head == changed.head


async def test_a_session_is_not_managed_as_a_room(parts: Parts) -> None:
    await add_session(parts.store)
    for asked in (
        parts.rooms.archive(ALICE, "sess_1"),
        parts.rooms.add_member(ALICE, "sess_1", validate(NewMember, ref("user_bob"))),
        parts.rooms.remove_member(ALICE, "sess_1", ELIZA),
    ):
        await refused(asked, Missing, "ROOM_NOT_FOUND")
