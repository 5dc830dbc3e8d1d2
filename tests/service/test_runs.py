"""`hub.service.runs`: runs read, cancelled and tried again by who may."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hub.core.errors import Conflict, Denied, Limited, Missing
from hub.core.posts import RequestKey
from hub.core.values import Actor, Json, Run
from hub.parts import Parts
from hub.ports import Reply
from hub.wire.bodies import validate
from hub.wire.requests import (
    ChangeRoom,
    ChangeSession,
    CreateParticipant,
    MemberChange,
    NewMember,
    PostMessage,
    SendMessage,
)
from tests.support.parts import (
    ACME,
    ADMIN,
    ALICE,
    AT_MS,
    BOB,
    CAROL,
    ELIZA,
    RIVAL,
    actor,
    add_room,
    add_session,
)

FAILED = Reply("failed", "Sorry", AT_MS, "failed", "broken")
OWN = actor("bot_own")


async def asked(parts: Parts, **settings: Any) -> Run:
    """A run of Eliza in a fresh room."""
    people = ("user_alice", "user_bob", "bot_own", ELIZA)
    await add_room(parts.store, people=people, settings=settings)
    return await ask(parts)


async def ask(parts: Parts) -> Run:
    posted = await parts.messages.post(ALICE, "room_1", PostMessage(content="@eliza?"))
    return posted.runs[0]


async def end(parts: Parts, run: Run, reply: Reply = FAILED) -> Run:
    claimed = await parts.store.runs.claim(run.id, "w", 60_000)
    assert claimed is not None
    ended = await parts.store.runs.finish(run.id, claimed.attempt, reply)
    assert ended is not None
    return ended.run


async def failed(parts: Parts, **settings: Any) -> Run:
    return await end(parts, await asked(parts, **settings))


async def change_room(parts: Parts, **settings: Any) -> None:
    await parts.rooms.change(ALICE, "room_1", ChangeRoom(settings=settings))


async def test_who_may_not_read_a_room_finds_no_run(parts: Parts) -> None:
    run = await asked(parts)
    assert run.id == (await parts.runs.read(BOB, run.id)).id
    for stranger in (CAROL, actor("user_alice", RIVAL)):
        for ask_for in (parts.runs.read, parts.runs.cancel, parts.runs.retry):
            with pytest.raises(Missing) as caught:
                await ask_for(stranger, run.id)
            assert "RUN_NOT_FOUND" == caught.value.code


async def test_who_only_observes_neither_cancels_nor_tries_again(parts: Parts) -> None:
    run = await failed(parts)
    change = validate(MemberChange, {"role": "observer"})
    await parts.rooms.change_member(ALICE, "room_1", "user_bob", change)
    for act in (parts.runs.cancel, parts.runs.retry):
        with pytest.raises(Denied):
            await act(BOB, run.id)


async def test_a_run_that_failed_is_tried_again_once(parts: Parts) -> None:
    run = await failed(parts)
    again = await parts.runs.retry(BOB, run.id)
    assert (1, "queued", BOB.id) == (again.generation, again.state, again.caller_id)
    with pytest.raises(Conflict, match="tried again already"):
        await parts.runs.retry(ALICE, run.id)
    with pytest.raises(Conflict, match="cancel it first"):
        await parts.runs.retry(ALICE, again.id)


async def test_a_retry_that_is_asked_for_twice_with_one_key_is_one(parts: Parts) -> None:
    run = await failed(parts)
    key = RequestKey("acme/user_bob/retry", "k", "same")
    again = await parts.runs.retry(BOB, run.id, key)
    assert again.id == (await parts.runs.retry(BOB, run.id, key)).id
    ended = await end(parts, again)
    assert (ended.id, "failed") == (again.id, (await parts.runs.retry(BOB, run.id, key)).state)
    with pytest.raises(Conflict) as caught:
        await parts.runs.retry(BOB, run.id, replace(key, digest="other"))
    assert "IDEMPOTENCY_CONFLICT" == caught.value.code


async def test_a_key_whose_retry_was_refused_is_free(parts: Parts) -> None:
    run = await asked(parts)
    key = RequestKey("acme/user_bob/retry", "k", "same")
    with pytest.raises(Conflict, match="cancel it first"):
        await parts.runs.retry(BOB, run.id, key)
    await end(parts, run)
    assert 1 == (await parts.runs.retry(BOB, run.id, key)).generation


async def test_a_run_that_succeeded_is_not_tried_again(parts: Parts) -> None:
    run = await end(parts, await asked(parts), Reply("succeeded", "fine", AT_MS))
    with pytest.raises(Conflict, match="succeeded"):
        await parts.runs.retry(ALICE, run.id)


async def test_trying_again_costs_what_a_run_costs(parts: Parts) -> None:
    run = await failed(parts, budget={"runs": 2})
    second = await end(parts, await parts.runs.retry(BOB, run.id))
    with pytest.raises(Limited, match="2 runs a day") as caught:
        await parts.runs.retry(BOB, second.id)
    assert "BUDGET_EXCEEDED" == caught.value.code


async def test_a_person_lets_what_was_held_back_run_and_a_machine_does_not(parts: Parts) -> None:
    run = await asked(parts, paused=True)
    assert "suppressed" == run.state
    with pytest.raises(Conflict, match="the room is paused"):
        await parts.runs.retry(BOB, run.id)
    await change_room(parts, paused=False)
    with pytest.raises(Conflict, match="suppressed"):
        await parts.runs.retry(OWN, run.id)
    assert "queued" == (await parts.runs.retry(BOB, run.id)).state


async def test_who_left_or_only_observes_is_not_tried_again(parts: Parts) -> None:
    run = await failed(parts)
    observing = validate(MemberChange, {"role": "observer"})
    await parts.rooms.change_member(ALICE, "room_1", ELIZA, observing)
    with pytest.raises(Conflict, match="only observes"):
        await parts.runs.retry(BOB, run.id)
    await parts.rooms.remove_member(ALICE, "room_1", ELIZA)
    with pytest.raises(Conflict, match="no member"):
        await parts.runs.retry(BOB, run.id)


async def test_nothing_is_tried_again_where_nothing_may_be_said(parts: Parts) -> None:
    run = await failed(parts)
    await parts.rooms.archive(ALICE, "room_1")
    with pytest.raises(Conflict) as caught:
        await parts.runs.retry(ALICE, run.id)
    assert "ROOM_ARCHIVED" == caught.value.code
    session = await add_session(parts.store)
    posted = await parts.sessions.post(ALICE, session, SendMessage(content="hi"), None)
    in_session = await end(parts, posted.runs[0])
    closing = validate(ChangeSession, {"status": "closed"})
    await parts.sessions.change(ALICE, "sess_1", closing)
    with pytest.raises(Conflict) as caught:
        await parts.runs.retry(ALICE, in_session.id)
    assert "SESSION_CLOSED" == caught.value.code


async def test_a_bot_is_refused_when_it_would_speak_on_past_the_cap(parts: Parts) -> None:
    await add_room(parts.store, people=("user_alice", "bot_own"))
    other: Json = {"type": "bot", "id": "bot_other"}
    made = validate(CreateParticipant, other | {"name": "Other"})
    await parts.participants.create(ADMIN, made)
    await parts.rooms.add_member(ALICE, "room_1", validate(NewMember, other))
    await parts.messages.post(ALICE, "room_1", PostMessage(content="@own, begin"))
    bots: list[Actor] = [OWN, actor("bot_other")]
    said = 0
    with pytest.raises(Limited, match="a person must speak first"):
        for said in range(20):
            to = PostMessage(content=f"@{bots[1 - said % 2].author.handle}")
            await parts.messages.post(bots[said % 2], "room_1", to)
    assert 5 == said


@pytest.mark.parametrize("how", ["removed", "observing", "archived"])
async def test_who_may_not_speak_any_more_does_not_go_on_writing(parts: Parts, how: str) -> None:
    running, waiting = await asked(parts), await ask(parts)
    await parts.store.runs.claim(running.id, "w", 60_000)
    if how == "removed":
        await parts.rooms.remove_member(ALICE, "room_1", ELIZA)
    elif how == "observing":
        observing = validate(MemberChange, {"role": "observer"})
        await parts.rooms.change_member(ALICE, "room_1", ELIZA, observing)
    else:
        await parts.rooms.archive(ALICE, "room_1")
    found = [await parts.store.runs.get(ACME, run.id) for run in (running, waiting)]
    assert [("running", ALICE.id), ("cancelled", ALICE.id)] == [
        (run.state, run.cancelled_by) for run in found if run
    ]


async def test_usage_is_for_admins(parts: Parts) -> None:
    await failed(parts)
    with pytest.raises(Denied):
        await parts.usage.report(ALICE, "room", 0)
    (row,) = await parts.usage.report(ADMIN, "room", 0)
    assert ("room_1", 1) == (row["key"], row["runs"])


async def test_a_preview_says_who_would_run_and_stores_nothing(parts: Parts) -> None:
    await asked(parts)
    seen = await parts.messages.preview(ALICE, "room_1", PostMessage(content="@eliza"))
    assert [ELIZA] == [each["participant"]["id"] for each in seen["would_run"]]
    assert 1 == len(await parts.store.messages.page("room_1", limit=10))


async def test_a_room_that_goes_on_lets_go_what_its_pause_has_held(parts: Parts) -> None:
    await parts.bus.woken("w", 10, 0.01)  # the first call makes the group
    run = await asked(parts)
    assert [run.id] == await parts.bus.woken("w", 10, 5)
    await change_room(parts, paused=True)
    await change_room(parts, paused=False)
    assert [run.id] == await parts.bus.woken("w", 10, 5)
