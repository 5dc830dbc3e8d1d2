"""`hub.store.handling`: who answers in a session, its model or a person."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from hub.core.errors import Conflict
from hub.core.posts import Posted, StaleAccess
from hub.core.values import Run, Session
from hub.ports import Changed, Page, Reply
from hub.store.store import SqlStore
from tests.support.parts import (
    ACME,
    AT_MS,
    ELIZA,
    Posts,
    add_session,
    audit,
    member,
)

SESSION = "sess_1"
NONE: Mapping[str, tuple[int, str]] = {}


async def take(
    store: SqlStore, by: str = "user_bob", drafts: Mapping[str, tuple[int, str]] = NONE
) -> Changed:
    changed = await store.sessions.take_over(ACME, SESSION, member(by), drafts, audit(SESSION))
    assert changed is not None
    return changed


async def give(store: SqlStore, note: str | None = None) -> Changed:
    changed = await store.sessions.hand_back(ACME, SESSION, note, audit(SESSION))
    assert changed is not None
    return changed


async def ask(store: SqlStore, message: str | None = "help") -> Changed:
    changed = await store.sessions.escalate(ACME, SESSION, message, audit(SESSION))
    assert changed is not None
    return changed


async def read(store: SqlStore) -> Session:
    found = await store.sessions.get(ACME, SESSION)
    assert found is not None
    return found


async def asked_model(store: SqlStore, posts: Posts) -> Run:
    return (await posts.send(SESSION, calls=(ELIZA,))).runs[0]


async def test_of_two_who_take_a_session_one_has_it_and_the_other_is_told_who(
    store: SqlStore,
) -> None:
    await add_session(store)
    results = await asyncio.gather(
        take(store, "user_bob"), take(store, "user_carol"), return_exceptions=True
    )
    (won,) = [each for each in results if isinstance(each, Changed)]
    (lost,) = [each for each in results if isinstance(each, Conflict)]
    assert ("human", won.session.handler) == ((await read(store)).handling, won.session.handler)
    assert ("SESSION_TAKEN", won.session.handler) == (lost.code, lost.details[0].message)


async def test_who_has_a_session_takes_it_again_without_a_trace(store: SqlStore) -> None:
    await add_session(store)
    first = await take(store)
    again = await take(store)
    assert (first.session, ()) == (again.session, again.entries)


async def test_a_reply_that_is_written_ends_with_what_there_is_and_nothing_follows(
    store: SqlStore,
) -> None:
    await add_session(store)
    posts = Posts(store)
    run, behind = await asked_model(store, posts), await asked_model(store, posts)
    claimed = await store.runs.claim(run.id, "w", 60_000)
    assert claimed is not None
    changed = await take(store, drafts={run.id: (1, "half a rep")})
    assert (run.id,) == changed.cut
    states = [await store.runs.get(ACME, each.id) for each in (run, behind)]
    assert ["cancelled", "cancelled"] == [each and each.state for each in states]
    said = await store.messages.page(SESSION, limit=10)
    assert ("half a rep", "cancelled") == (said[-1].content, said[-1].status)
    assert await store.runs.finish(run.id, 1, Reply("succeeded", "the whole", AT_MS)) is None
    assert await store.runs.claim(behind.id, "w", 60_000) is None
    assert said == await store.messages.page(SESSION, limit=10)


async def test_a_draft_of_an_earlier_attempt_is_no_text_of_this_one(store: SqlStore) -> None:
    await add_session(store)
    run = await asked_model(store, Posts(store))
    await store.runs.claim(run.id, "w", 60_000)
    await store.runs.advance(run.id, 1, 60_000)
    await take(store, drafts={run.id: (1, "void")})
    assert 1 == len(await store.messages.page(SESSION, limit=10))


async def test_a_post_that_was_authorised_before_is_asked_again(store: SqlStore) -> None:
    await add_session(store)
    posts = Posts(store)
    post = await posts.new(SESSION, calls=(ELIZA,))
    await take(store)
    (outcome,) = await store.posts.commit([post])
    assert isinstance(outcome, StaleAccess)
    await give(store)
    view = await store.rooms.view(ACME, SESSION)
    assert view is not None
    (late,) = await store.posts.commit([post._replace(acl_version=view.room.acl_version)])
    assert isinstance(late, Posted)


async def test_the_model_is_off_while_a_person_has_it_and_the_person_leaves_after(
    store: SqlStore,
) -> None:
    await add_session(store)

    async def engagements() -> dict[str, str]:
        view = await store.rooms.view(ACME, SESSION)
        assert view is not None
        return {m.author.id: m.engagement for m in view.members.values()}

    before = await engagements()
    await take(store)
    assert {"user_alice": "mention", "user_bob": "mention", ELIZA: "off"} == await engagements()
    back = await give(store, "all is well")
    assert before == await engagements()
    assert ("ai", None) == (back.session.handling, back.session.handler)
    over = back.session.handover
    assert over is not None
    assert ("user_bob", "all is well") == (over["by"]["id"], over["note"])
    assert over["since_seq"] < over["until_seq"]
    assert () == (await give(store)).entries


async def test_the_owner_stays_who_had_their_own_session(store: SqlStore) -> None:
    await add_session(store)
    await take(store, "user_alice")
    await give(store)
    view = await store.rooms.view(ACME, SESSION)
    assert view is not None
    assert "owner" == view.members["user_alice"].role


async def test_who_waits_longest_is_first_and_leaves_when_taken_or_closed(
    store: SqlStore,
) -> None:
    for n, session_id in enumerate(["sess_b", "sess_a", "sess_c"]):
        await add_session(store, session_id)
        entry = replace(audit(session_id), at_ms=AT_MS + n // 2)
        await store.sessions.escalate(ACME, session_id, None, entry)

    async def waiting(page: Page) -> list[str]:
        return [s.id for s in await store.sessions.waiting(ACME, None, page)]

    assert ["sess_a", "sess_b", "sess_c"] == await waiting(Page(9))
    assert ["sess_b"] == await waiting(Page(1, f"{AT_MS}:sess_a"))
    assert ["sess_c"] == await waiting(Page(9, f"{AT_MS}:sess_b"))
    assert [] == await store.sessions.waiting(ACME, "user_bob", Page(9))
    await store.sessions.take_over(ACME, "sess_a", member("user_bob"), {}, audit("sess_a"))
    await store.sessions.update(ACME, "sess_b", {"status": "closed"}, audit("sess_b"))
    await store.sessions.delete(ACME, "sess_c", audit("sess_c"))
    assert [] == await waiting(Page(9))


async def test_whom_a_person_answers_is_listed_until_handed_back_or_closed(store: SqlStore) -> None:
    for session_id in ("sess_a", "sess_b", "sess_c", "sess_d"):
        await add_session(store, session_id)
        by = "user_carol" if session_id == "sess_b" else "user_bob"
        await store.sessions.take_over(ACME, session_id, member(by), {}, audit(session_id))

    async def taken(page: Page, by: str = "user_bob") -> list[str]:
        return [s.id for s in await store.sessions.taken(ACME, by, page)]

    assert ["sess_d", "sess_c", "sess_a"] == await taken(Page(9))
    assert ["sess_c"] == await taken(Page(1, "sess_d"))
    assert ["sess_b"] == await taken(Page(9), "user_carol")
    assert [] == await taken(Page(9), "user_alice")
    await store.sessions.hand_back(ACME, "sess_a", None, audit("sess_a"))
    await store.sessions.update(ACME, "sess_c", {"status": "closed"}, audit("sess_c"))
    await store.sessions.delete(ACME, "sess_d", audit("sess_d"))
    assert [] == await taken(Page(9))


async def test_a_session_that_waits_keeps_its_place_and_its_words(store: SqlStore) -> None:
    await add_session(store)
    first = await ask(store, "first")
    again = await ask(store, "second")
    assert ("first", ()) == (again.session.waiting_for, again.entries)
    assert "room.updated" == first.entries[0][0].type


async def test_a_person_is_not_called_where_one_answers(store: SqlStore) -> None:
    await add_session(store)
    await take(store)
    assert (await ask(store)).session.waiting_ms is None


@pytest.mark.parametrize("what", [take, give, ask])
async def test_a_closed_session_is_left_alone(what: object, store: SqlStore) -> None:
    await add_session(store)
    await store.sessions.update(ACME, SESSION, {"status": "closed"}, audit(SESSION))
    with pytest.raises(Conflict) as caught:
        await what(store)  # type: ignore[operator]
    assert "SESSION_CLOSED" == caught.value.code


async def test_a_participant_calls_a_person_with_the_message_that_ends_its_run(
    store: SqlStore,
) -> None:
    await add_session(store)
    run = await asked_model(store, Posts(store))
    await store.runs.claim(run.id, "w", 60_000)
    ended = await store.runs.finish(
        run.id, 1, Reply("succeeded", "A person will help.", AT_MS, escalation="billing")
    )
    assert ended is not None
    assert "room.updated" == ended.entries[-1][0].type
    seqs = [entry.seq for entry, _ in ended.entries]
    assert list(range(seqs[0], seqs[0] + len(seqs))) == seqs
    assert ("billing", AT_MS) == ((s := await read(store)).waiting_for, s.waiting_ms)


async def test_nothing_is_tried_again_while_a_person_has_the_session(store: SqlStore) -> None:
    """Whoever asked a moment before does not make the model talk beside the person."""
    await add_session(store)
    run = await asked_model(store, Posts(store))
    await take(store)
    new = replace(run, id="run_new", generation=1, reply_message_id="reply_new")
    with pytest.raises(Conflict, match="user_bob has taken"):
        await store.runs.again(ACME, run.id, new)
    await give(store)
    assert await store.runs.again(ACME, run.id, new) is not None


async def test_nothing_is_tried_again_in_a_closed_session(store: SqlStore) -> None:
    await add_session(store)
    run = await asked_model(store, Posts(store))
    await store.runs.cancel(ACME, run.id, "user_alice", AT_MS)
    await store.sessions.update(ACME, SESSION, {"status": "closed"}, audit(SESSION))
    new = replace(run, id="run_new", generation=1, reply_message_id="reply_new")
    with pytest.raises(Conflict, match="closed"):
        await store.runs.again(ACME, run.id, new)
