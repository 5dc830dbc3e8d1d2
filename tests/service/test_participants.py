"""`hub.service.participants`: admins change them, and who is disabled is out of use."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.errors import Conflict, Denied, Invalid, Missing, Unauthenticated
from hub.parts import Parts
from hub.ports import Page
from hub.wire.bodies import validate
from hub.wire.requests import ChangeParticipant, CreateKey, CreateParticipant, CreateSession
from tests.support.parts import ADMIN, ALICE, BOB, ELIZA, RIVAL, actor


def body(participant_id: str, **fields: Any) -> CreateParticipant:
    kind = participant_id.split("_")[0]
    return validate(CreateParticipant, {"type": kind, "id": participant_id, "name": "N"} | fields)


async def test_only_admins_make_and_change_participants(parts: Parts) -> None:
    people = parts.participants
    for asked in (
        people.create(ALICE, body("bot_new")),
        people.change(ALICE, "user_alice", validate(ChangeParticipant, {"name": "A"})),
        people.disable(ALICE, "user_bob"),
    ):
        with pytest.raises(Denied):
            await asked


async def test_a_handle_is_the_short_id_unless_it_is_taken(parts: Parts) -> None:
    assert (await parts.participants.create(ADMIN, body("bot_new"))).handle == "new"
    assert (await parts.participants.create(ADMIN, body("bot_alice"))).handle == "bot_alice"
    with pytest.raises(Conflict):
        await parts.participants.create(ADMIN, body("bot_third", handle="alice"))
    with pytest.raises(Conflict):
        await parts.participants.create(ADMIN, body("bot_new", handle="other"))


async def test_a_driver_names_a_model_that_is_there(parts: Parts) -> None:
    driver = {"kind": "model", "model": "no/such"}
    with pytest.raises(Invalid) as caught:
        await parts.participants.create(ADMIN, body("bot_new", driver=driver))
    assert caught.value.details[0].field == "driver.model"
    driver["model"] = "builtin/echo"
    assert (await parts.participants.create(ADMIN, body("bot_new", driver=driver))).driver == driver


async def test_users_have_no_driver(parts: Parts) -> None:
    change = validate(ChangeParticipant, {"driver": {"kind": "model", "model": "builtin/echo"}})
    with pytest.raises(Invalid):
        await parts.participants.change(ADMIN, "user_bob", change)


async def test_only_admins_see_how_an_ai_is_driven(parts: Parts) -> None:
    for who, seen in ((ADMIN, True), (ALICE, False)):
        listed = {p.id: p.driver for p in await parts.participants.page(who, Page(100))}
        assert (listed[ELIZA] is not None) is seen


async def test_a_disabled_participant_is_out_of_use(parts: Parts) -> None:
    made = await parts.access.create_key(BOB, validate(CreateKey, {"name": "k"}))
    disabled = await parts.participants.disable(ADMIN, "user_bob")
    assert disabled.disabled_ms is not None
    with pytest.raises(Unauthenticated):
        await parts.access.authenticate(made["key"])
    with pytest.raises(Invalid):
        await parts.participants.disable(ADMIN, "user_admin")


async def test_who_was_disabled_before_stays_as_it_was(parts: Parts) -> None:
    first = await parts.participants.disable(ADMIN, "user_bob")
    assert first == await parts.participants.disable(ADMIN, "user_bob")


async def test_what_admins_do_to_participants_is_in_the_audit_log(parts: Parts) -> None:
    change = validate(ChangeParticipant, {"name": "New", "handle": "newest"})
    await parts.participants.create(ADMIN, body("bot_new", driver={"kind": "socket"}))
    await parts.participants.change(ADMIN, "bot_new", change)
    await parts.participants.change(ADMIN, "bot_new", validate(ChangeParticipant, {}))
    await parts.participants.disable(ADMIN, "bot_new")
    await parts.participants.disable(ADMIN, "bot_new")
    with pytest.raises(Conflict):
        await parts.participants.create(ADMIN, body("bot_new"))
    found = await parts.store.audit.page(ADMIN.tenant_id, Page(10))
    assert [
        ("participant.disabled", {}),
        ("participant.changed", {"fields": ["handle", "name"]}),
        ("participant.created", {"driver": "socket"}),
    ] == [(each.action, each.detail) for each in found]
    assert {("user_admin", "bot_new")} == {(each.actor_id, each.object_id) for each in found}


async def test_who_stands_for_a_model_is_the_hubs(parts: Parts) -> None:
    session = await parts.sessions.create(ALICE, validate(CreateSession, {"model": "builtin/echo"}))
    stand_in = session.participant_id
    for field, asked in (
        ("id", parts.participants.create(ADMIN, body("persona_model-mine"))),
        ("participant_id", parts.participants.change(ADMIN, stand_in, validate(
            ChangeParticipant, {"driver": {"kind": "model", "model": "builtin/eliza"}}
        ))),
        ("participant_id", parts.participants.disable(ADMIN, stand_in)),
    ):  # fmt: skip
        with pytest.raises(Invalid) as caught:
            await asked
        assert field == caught.value.details[0].field


async def test_a_foreign_participant_is_a_missing_one(parts: Parts) -> None:
    await parts.participants.create(ADMIN, body("bot_new"))
    foreign = actor("user_admin", RIVAL, "tenant_admin")
    for asked in (
        parts.participants.get(foreign, "bot_new"),
        parts.participants.change(foreign, "bot_new", validate(ChangeParticipant, {"name": "x"})),
        parts.participants.disable(foreign, "bot_new"),
    ):
        with pytest.raises(Missing) as caught:
            await asked
        assert caught.value.code == "PARTICIPANT_NOT_FOUND"
