"""`hub.core.posts`: a batch planned, before any database is asked to store it."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

import pytest

from hub.core.errors import Conflict, HubError, Missing
from hub.core.governor import Limits
from hub.core.posts import (
    Known,
    NewPost,
    Outcome,
    Plan,
    Posted,
    RequestKey,
    RoomState,
    RootState,
    StaleAccess,
    plan,
    rooms_of,
)
from hub.core.triggers import Cause, Ground, Summons
from hub.core.values import Author

from .nouns import ALICE, AT_MS, ELIZA

ARCHIVED = Conflict("archived", code="ROOM_ARCHIVED")
ELIZA_CALLED = Summons(ELIZA.id, "run_1", "msg_reply")


def post(
    message_id: str,
    room_id: str = "room_1",
    *,
    author: Author = ALICE,
    acl: int = 1,
    key: RequestKey | None = None,
    thread_id: str | None = None,
    summons: tuple[Summons, ...] = (),
) -> NewPost:
    return NewPost(
        tenant_id="acme", room_id=room_id, acl_version=acl, message_id=message_id, author=author,
        content=f"text of {message_id}", at_ms=AT_MS, thread_id=thread_id, key=key,
        summons=summons,
    )  # fmt: skip


def state(head: int = 0, *, acl: int = 1, closed: HubError | None = None) -> RoomState:
    return RoomState(head, acl, closed)


def planned(
    posts: Sequence[NewPost],
    rooms: Mapping[str, RoomState] | None = None,
    keys: Mapping[tuple[str, str], tuple[str, Posted]] | None = None,
    roots: Mapping[str, RootState] | None = None,
    causes: Mapping[tuple[str, str], Cause] | None = None,
) -> Plan:
    known = Known(rooms or {"room_1": state()}, keys or {}, roots or {}, causes or {}, Ground())
    return plan(posts, known, Limits())


def posted(outcome: Outcome) -> Posted:
    assert isinstance(outcome, Posted)
    return outcome


def stored(message_id: str = "msg_old", seq: int = 3) -> Posted:
    """The result of an earlier request."""
    done = planned([post(message_id)], {"room_1": state(seq - 1)})
    return posted(done.outcomes[0])


def test_seqs_are_dense_in_every_room_and_follow_the_batch() -> None:
    pick = random.Random(1)
    rooms = {f"room_{i}": state(pick.randrange(1_000)) for i in range(10)}
    posts = [
        post(f"msg_{i}", pick.choice(list(rooms)),
             summons=(Summons(ELIZA.id, f"run_{i}", f"r_{i}"),) if i % 3 else ())
        for i in range(300)
    ]  # fmt: skip
    done = planned(posts, rooms)
    seqs = defaultdict(list)
    for entry in done.entries:
        seqs[entry.room_id].append(entry.seq)
    for room_id, taken in seqs.items():
        first = rooms[room_id].head + 1
        assert taken == list(range(first, first + len(taken)))
        assert done.heads[room_id] == taken[-1]
    assert [posted(o).message_id for o in done.outcomes] == [p.message_id for p in posts]


def test_a_refused_post_takes_no_seq_and_does_not_disturb_the_others() -> None:
    rooms = {"room_1": state(5), "room_2": state(closed=ARCHIVED)}
    done = planned(
        [post("a"), post("b", acl=0), post("c", "room_2"), post("d", "room_9"), post("e")], rooms
    )
    first, stale, closed, missing, last = done.outcomes
    assert (posted(first).seq, posted(last).seq) == (6, 7)
    assert isinstance(stale, StaleAccess)
    assert closed is ARCHIVED
    assert isinstance(missing, Missing)
    assert missing.code == "ROOM_NOT_FOUND"
    assert [m.id for m, _ in done.messages] == ["a", "e"]
    assert done.heads == {"room_1": 7}


def test_the_same_request_is_answered_from_what_was_stored() -> None:
    key = RequestKey("scope", "k", "digest")
    earlier = stored()
    done = planned([post("new", key=key)], keys={("scope", "k"): ("digest", earlier)})
    again = posted(done.outcomes[0])
    assert (again.message_id, again.seq, again.replayed, again.rows) == ("msg_old", 3, True, ())
    assert (done.messages, done.entries, done.keys, done.heads) == ([], [], [], {})


def test_the_same_key_with_another_body_is_a_conflict() -> None:
    key = RequestKey("scope", "k", "other digest")
    done = planned([post("new", key=key)], keys={("scope", "k"): ("digest", stored())})
    outcome = done.outcomes[0]
    assert isinstance(outcome, Conflict)
    assert outcome.code == "IDEMPOTENCY_CONFLICT"
    assert done.messages == []


def test_the_same_key_in_another_scope_is_another_request() -> None:
    keys = {("scope of bob", "k"): ("digest", stored())}
    done = planned([post("new", key=RequestKey("scope of alice", "k", "digest"))], keys=keys)
    assert not posted(done.outcomes[0]).replayed


def test_two_of_one_request_in_a_batch_have_one_effect() -> None:
    key = RequestKey("scope", "k", "digest")
    other = RequestKey("scope", "k", "other")
    done = planned([post("a", key=key), post("b", key=key), post("c", key=other)])
    first, second, third = done.outcomes
    assert (posted(first).message_id, posted(first).replayed) == ("a", False)
    assert (posted(second).message_id, posted(second).replayed) == ("a", True)
    assert isinstance(third, Conflict)
    assert [m.id for m, _ in done.messages] == ["a"]
    assert [(k, ref) for k, ref, _ in done.keys] == [(key, "a")]


def test_a_refused_request_leaves_its_key_free() -> None:
    key = RequestKey("scope", "k", "digest")
    done = planned([post("a", acl=0, key=key), post("b", key=key)])
    assert isinstance(done.outcomes[0], StaleAccess)
    assert posted(done.outcomes[1]).message_id == "b"
    assert [ref for _, ref, _ in done.keys] == ["b"]


def test_a_replay_is_answered_in_a_room_that_was_closed_or_changed_since() -> None:
    """The first answer may have been lost: the retry must learn that the post is stored."""
    key = RequestKey("scope", "k", "digest")
    rooms = {"room_1": state(9, acl=7, closed=ARCHIVED)}
    done = planned([post("b", key=key)], rooms, {("scope", "k"): ("digest", stored())})
    assert posted(done.outcomes[0]).replayed


@pytest.mark.parametrize(
    ("named", "flattened"), [("root", "root"), ("reply", "root"), ("elsewhere", None), ("x", None)]
)
def test_a_reply_points_at_the_root_of_its_thread(named: str, flattened: str | None) -> None:
    roots = {
        "root": RootState("room_1", None),
        "reply": RootState("room_1", "root"),
        "elsewhere": RootState("room_2", None),
    }
    outcome = planned([post("a", thread_id=named)], roots=roots).outcomes[0]
    if flattened is None:
        assert isinstance(outcome, Missing)
        assert outcome.code == "MESSAGE_NOT_FOUND"
    else:
        assert posted(outcome).message.thread_id == flattened


def test_replies_are_counted_at_their_root() -> None:
    roots = {"root": RootState("room_1", None), "reply": RootState("room_1", "root")}
    posts = [post("a", thread_id="root"), post("b", thread_id="reply"), post("c")]
    assert planned(posts, roots=roots).replies == {"root": (2, AT_MS)}


def test_a_mention_queues_a_run_behind_its_message() -> None:
    done = planned([post("msg_1", summons=(ELIZA_CALLED,)), post("msg_2")], {"room_1": state(10)})
    (run,) = done.runs
    assert (run.state, run.depth, run.generation, run.attempt) == ("queued", 1, 0, 0)
    assert (run.trigger_message_id, run.thread_id, run.root_message_id) == ("msg_1",) * 3
    assert run.reply_message_id == "msg_reply"
    assert [(e.seq, e.type, e.ref) for e in done.entries] == [
        (11, "message.created", "msg_1"),
        (12, "run.queued", "run_1"),
        (13, "message.created", "msg_2"),
    ]
    assert posted(done.outcomes[0]).runs == (run,)


def test_a_run_in_a_thread_answers_in_that_thread() -> None:
    roots = {"reply": RootState("room_1", "root")}
    done = planned([post("a", thread_id="reply", summons=(ELIZA_CALLED,))], roots=roots)
    assert done.runs[0].thread_id == "root"


@pytest.mark.parametrize("depth", range(Limits().depth + 2))
def test_a_run_past_the_depth_cap_is_stored_suppressed_and_says_so(depth: int) -> None:
    causes = {("room_1", ELIZA.id): Cause(depth, "msg_root")}
    called = Summons("persona_other", "run_1", "msg_reply")
    done = planned([post("a", author=ELIZA, summons=(called,))], causes=causes)
    (run,) = done.runs
    held = depth + 1 > Limits().depth
    assert (run.depth, run.root_message_id) == (depth + 1, "msg_root")
    assert run.state == ("suppressed" if held else "queued")
    assert (run.finished_ms is not None, run.reason is not None) == (held, held)
    assert done.entries[1].type == ("run.finished" if held else "run.queued")
    assert done.messages[0][1] == Cause(depth, "msg_root")


def test_a_person_begins_a_new_chain() -> None:
    causes = {("room_1", ELIZA.id): Cause(5, "msg_root")}
    done = planned([post("msg_1", summons=(ELIZA_CALLED,))], causes=causes)
    assert done.messages[0][1] == Cause(0, "msg_1")
    assert done.runs[0].depth == 1


def test_the_rooms_of_a_batch_are_locked_in_one_order() -> None:
    posts = [post("a", "room_2"), post("b", "room_1"), post("c", "room_2")]
    assert rooms_of(posts) == ["room_1", "room_2"]
