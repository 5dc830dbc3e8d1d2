"""`hub.service.messages`: posting is authorised on what is known, and stored on what is true."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.errors import Conflict, Denied, HubError, Invalid, Missing, ModelUnavailable
from hub.core.posts import Posted
from hub.core.values import Actor, MemberRole
from hub.parts import Parts
from hub.service.calling import OUT_OF_USE
from hub.service.messages import posted_answer
from hub.wire.bodies import validate
from hub.wire.requests import ChangeSession, Escalate, PostMessage
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
    member,
)
from tests.support.redis import until

from .fakes import Answers


def body(content: str = "hello", *mention: str, **fields: Any) -> PostMessage:
    refs = [{"type": each.split("_")[0], "id": each} for each in mention]
    return validate(PostMessage, {"content": content, "mention": refs} | fields)


@pytest.fixture(autouse=True)
async def room(parts: Parts) -> None:
    await add_room(parts.store)


async def test_a_member_posts_and_reads_it_back(parts: Parts) -> None:
    posted = await parts.messages.post(ALICE, "room_1", body("hello"))
    message = await parts.messages.get(BOB, "room_1", posted.message_id)
    assert (message.content, message.author, message.seq) == ("hello", ALICE.author, posted.seq)


async def test_a_mention_of_an_ai_starts_its_run_once(parts: Parts) -> None:
    posted = await parts.messages.post(ALICE, "room_1", body("x", ELIZA, "user_bob", ELIZA))
    assert posted.message.mention == (
        {"type": "persona", "id": ELIZA}, {"type": "user", "id": "user_bob"}
    )  # fmt: skip
    assert [run.participant_id for run in posted.runs] == [ELIZA]
    answer = posted_answer(posted)
    assert answer["runs"] == [
        {"id": posted.runs[0].id, "participant": {"type": "persona", "id": ELIZA},
         "state": "queued"}
    ]  # fmt: skip


async def test_a_mention_of_who_is_no_member_is_named_by_its_place(parts: Parts) -> None:
    with pytest.raises(Invalid) as caught:
        await parts.messages.post(ALICE, "room_1", body("x", "user_carol"))
    assert caught.value.details[0].field == "mention[0].id"
    with pytest.raises(Invalid) as caught:
        await parts.messages.post(ALICE, "room_1", body("x", ELIZA, "user_bob", "persona_second"))
    assert caught.value.details[0].field == "mention[2].id"


async def test_an_ai_that_mentions_itself_starts_nothing(parts: Parts) -> None:
    eliza = actor(ELIZA)
    assert (await parts.messages.post(eliza, "room_1", body("x", ELIZA))).runs == ()


async def test_an_ai_that_is_switched_off_is_not_started(parts: Parts) -> None:
    await parts.store.rooms.set_member(ACME, "room_1", member(ELIZA, engagement="off"), AT_MS)
    assert (await parts.messages.post(ALICE, "room_1", body("x", ELIZA))).runs == ()


@pytest.mark.parametrize(
    ("role", "posts"),
    [("owner", True), ("admin", True), ("member", True), ("guest", True), ("observer", False)],
)
async def test_members_but_observers_post(role: MemberRole, posts: bool, parts: Parts) -> None:
    await parts.store.rooms.add_members(ACME, "room_1", [member("user_carol", role)])
    if posts:
        await parts.messages.post(CAROL, "room_1", body())
    else:
        with pytest.raises(Denied):
            await parts.messages.post(CAROL, "room_1", body())


@pytest.mark.parametrize(
    ("who", "kind"),
    [(CAROL, Missing), (ADMIN, Denied), (actor("user_alice", RIVAL), Missing)],
)
async def test_who_is_no_member_does_not_post(
    who: Actor, kind: type[HubError], parts: Parts
) -> None:
    with pytest.raises(kind):
        await parts.messages.post(who, "room_1", body())


async def test_a_post_authorised_on_old_members_is_authorised_again(parts: Parts) -> None:
    await parts.messages.post(ALICE, "room_1", body())
    await parts.store.rooms.add_members(ACME, "room_1", [member("user_carol")])
    posted = await parts.messages.post(ALICE, "room_1", body("x", "user_carol"))
    assert posted.message.mention[0]["id"] == "user_carol"
    await parts.store.rooms.set_member(ACME, "room_1", member("user_bob", "observer"), AT_MS)
    assert (await parts.messages.post(ALICE, "room_1", body())).seq


async def test_a_removed_member_does_not_post_on_what_was_known(parts: Parts) -> None:
    await parts.messages.post(BOB, "room_1", body())
    await parts.store.rooms.remove_member(ACME, "room_1", "user_bob", AT_MS)
    head = (await parts.store.log.heads(["room_1"]))["room_1"].head
    with pytest.raises(Missing):
        await parts.messages.post(BOB, "room_1", body())
    assert (await parts.store.log.heads(["room_1"]))["room_1"].head == head


async def test_a_new_observer_does_not_post_on_what_was_known(parts: Parts) -> None:
    await parts.messages.post(BOB, "room_1", body())
    await parts.store.rooms.set_member(ACME, "room_1", member("user_bob", "observer"), AT_MS)
    with pytest.raises(Denied):
        await parts.messages.post(BOB, "room_1", body())


async def test_an_archived_room_takes_no_posts_and_is_read(parts: Parts) -> None:
    posted = await parts.messages.post(ALICE, "room_1", body())
    await parts.rooms.archive(ALICE, "room_1")
    with pytest.raises(Conflict) as caught:
        await parts.messages.post(ALICE, "room_1", body())
    assert caught.value.code == "ROOM_ARCHIVED"
    assert await parts.messages.get(ALICE, "room_1", posted.message_id) == posted.message


async def test_the_same_client_id_is_the_same_post(parts: Parts) -> None:
    first = await parts.messages.post(ALICE, "room_1", body("x", client_id="c1"))
    again = await parts.messages.post(ALICE, "room_1", body("x", client_id="c1"))
    assert (again.message_id, again.replayed) == (first.message_id, True)
    with pytest.raises(Conflict) as caught:
        await parts.messages.post(ALICE, "room_1", body("y", client_id="c1"))
    assert caught.value.code == "IDEMPOTENCY_CONFLICT"
    others = await parts.messages.post(BOB, "room_1", body("x", client_id="c1"))
    assert not others.replayed


async def test_a_thread_is_found_by_any_of_its_messages(parts: Parts) -> None:
    root = await parts.messages.post(ALICE, "room_1", body("root"))
    reply = await parts.messages.post(BOB, "room_1", body("one"), thread_id=root.message_id)
    last = await parts.messages.post(ALICE, "room_1", body("two"), thread_id=reply.message_id)
    for named in (root, reply, last):
        thread = await parts.messages.thread(ALICE, "room_1", named.message_id, after=0, limit=9)
        assert [m.content for m in thread] == ["root", "one", "two"]


async def test_strangers_read_nothing(parts: Parts) -> None:
    posted = await parts.messages.post(ALICE, "room_1", body())
    for who in (CAROL, actor("user_alice", RIVAL)):
        for asked in (
            parts.messages.get(who, "room_1", posted.message_id),
            parts.messages.page(who, "room_1", limit=5, before=None, after=None),
            parts.messages.thread(who, "room_1", posted.message_id, after=0, limit=5),
            parts.messages.log(who, "room_1", since=0, limit=5),
        ):
            with pytest.raises(Missing) as caught:
                await asked
            assert caught.value.code == "ROOM_NOT_FOUND"


async def test_a_message_of_another_room_is_missing(parts: Parts) -> None:
    await add_room(parts.store, "room_2")
    posted = await parts.messages.post(ALICE, "room_1", body())
    with pytest.raises(Missing) as caught:
        await parts.messages.get(ALICE, "room_2", posted.message_id)
    assert caught.value.code == "MESSAGE_NOT_FOUND"


async def test_a_mention_of_who_is_out_of_use_says_why_nobody_answers(parts: Parts) -> None:
    """Also where the room was known from before, and though the post is stored."""
    await parts.messages.post(ALICE, "room_1", body())
    await parts.participants.disable(ADMIN, ELIZA)
    for said in (body("x", ELIZA), body("@eliza?")):
        posted = await parts.messages.post(ALICE, "room_1", said)
        (run,) = posted_answer(posted)["runs"]
        assert (ELIZA, "suppressed") == (run["participant"]["id"], run["state"])
        assert OUT_OF_USE == run["reason"]
        seen = await parts.messages.preview(ALICE, "room_1", said)
        assert ([], [OUT_OF_USE]) == (
            seen["would_run"], [each["reason"] for each in seen["would_not_run"]],
        )  # fmt: skip
        assert await parts.messages.get(BOB, "room_1", posted.message_id) == posted.message
        with pytest.raises(Conflict, match=OUT_OF_USE):
            await parts.runs.retry(ALICE, run["id"])
    assert [] == list((await parts.messages.post(ALICE, "room_1", body("hello"))).runs)


async def test_the_hot_path_says_so_too(parts: Parts) -> None:
    await parts.messages.post(ALICE, "room_1", body())
    await parts.participants.disable(ADMIN, ELIZA)
    await parts.views.fresh(ALICE, "room_1")
    answers = Answers()
    assert parts.messages.try_submit(ALICE, "room_1", body("@eliza?"), None, answers)
    await until(lambda: bool(answers.outcomes))
    (outcome,) = answers.outcomes
    assert isinstance(outcome, Posted)
    assert [OUT_OF_USE] == [run.reason for run in outcome.runs]


async def test_where_nobody_would_answer_a_session_takes_no_message_by_its_room_either(
    parts: Parts,
) -> None:
    await add_session(parts.store)
    first = await parts.messages.post(ALICE, "sess_1", body("x", client_id="c1"))
    await parts.participants.disable(ADMIN, ELIZA)
    for _ in range(2):  # known as it was, then as it is
        with pytest.raises(ModelUnavailable, match="out of use"):
            await parts.messages.post(ALICE, "sess_1", body())
    assert not parts.messages.try_submit(ALICE, "sess_1", body(), None, Answers())
    again = await parts.messages.post(ALICE, "sess_1", body("x", client_id="c1"))
    assert (True, first.message_id) == (again.replayed, again.message_id)
    assert 1 == len(await parts.messages.page(ALICE, "sess_1", limit=9, before=None, after=None))
    await parts.handling.escalate(ALICE, "sess_1", validate(Escalate, {}))
    waiting = await parts.messages.post(ALICE, "sess_1", body("is anybody there?"))
    assert () == tuple(waiting.runs)
    await parts.handling.take_over(ADMIN, "sess_1")
    await parts.messages.post(ADMIN, "sess_1", body("I am."))
    await parts.sessions.change(ALICE, "sess_1", validate(ChangeSession, {"status": "closed"}))
    with pytest.raises(Conflict) as caught:
        await parts.messages.post(ALICE, "sess_1", body())
    assert "SESSION_CLOSED" == caught.value.code


async def test_in_a_session_every_message_calls_its_model(parts: Parts) -> None:
    await add_session(parts.store)
    posted = await parts.messages.post(ALICE, "sess_1", body(), params={"max_tokens": 5})
    (run,) = posted.runs
    assert (run.participant_id, run.params) == (ELIZA, {"max_tokens": 5})


async def test_the_hot_path_takes_only_what_it_knows_and_would_allow(parts: Parts) -> None:
    answers = Answers()

    def hot(who: Actor, message: PostMessage) -> bool:
        return parts.messages.try_submit(who, "room_1", message, None, answers)

    assert not hot(ALICE, body())  # nothing is known of the room
    await parts.messages.post(ALICE, "room_1", body())
    assert hot(ALICE, body())
    assert not hot(CAROL, body())
    assert not hot(ALICE, body("x", "user_carol"))
    assert not hot(actor("user_alice", RIVAL), body())
    parts.writer.close()
