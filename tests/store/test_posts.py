"""`hub.store.posts`: a batch is one transaction, dense in every room; a retry changes nothing."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from typing import Any, cast

import pytest
from sqlalchemy import Connection, text

from hub.core.errors import Conflict, HubError, Missing, Unavailable
from hub.core.governor import Limits
from hub.core.posts import NewPost, Posted, RequestKey, StaleAccess, Verdict
from hub.settings import Settings
from hub.store.opening import open_store
from hub.store.store import SqlStore
from tests.support.parts import (
    ACME,
    ADMIN,
    AT_MS,
    ELIZA,
    RIVAL,
    Posts,
    add_room,
    add_session,
    audit,
    member,
)

KEY = RequestKey("acme/user_alice/post", "k1", "digest")
PLAIN_OR_NOT = pytest.mark.parametrize("calls", [(), ("bot_own",)], ids=["plain", "calling"])
"""What is said to nobody in particular may be stored in another way."""
ROOMS = ("room_1", "room_2", "room_3")


def ids(outcomes: list[Verdict]) -> list[str]:
    return [o.message_id if isinstance(o, Posted) else type(o).__name__ for o in outcomes]


async def rows(store: SqlStore, sql: str) -> list[tuple[object, ...]]:
    return await store.database.read(lambda c: [tuple(r) for r in c.execute(text(sql))])


async def test_a_hundred_posts_over_ten_rooms_are_dense_in_each(store: SqlStore) -> None:
    names = [f"room_{n}" for n in range(10)]
    for name in names:
        await add_room(store, name)
    pick, posts = random.Random(5), Posts(store)
    batch = [
        await posts.new(pick.choice(names), calls=(ELIZA,) if n % 4 == 0 else ())
        for n in range(100)
    ]
    outcomes = await store.posts.commit(batch)
    assert ids(outcomes) == [post.message_id for post in batch]

    heads = await store.log.heads(names)
    order = defaultdict(list)
    for post in batch:
        order[post.room_id].append(post.message_id)
    for name in names:
        entries = [entry for entry, _ in await store.log.read(name, 0, 1_000)]
        assert [e.seq for e in entries] == list(range(1, heads[name].head + 1))
        assert [e.ref for e in entries if e.type == "message.created"] == order[name]


@PLAIN_OR_NOT
async def test_a_room_goes_on_where_its_counter_row_stands(
    calls: tuple[str, ...], store: SqlStore
) -> None:
    await add_room(store)
    posts = Posts(store)
    await posts.send(calls=calls)
    before = (await store.log.heads(["room_1"]))["room_1"].head
    await store.database.write(
        lambda c: c.execute(text("UPDATE rooms SET head = head + 5 WHERE id = 'room_1'"))
    )
    assert (await posts.send(calls=calls)).seq == before + 6


@PLAIN_OR_NOT
async def test_only_the_culprit_of_a_constraint_fails(
    calls: tuple[str, ...], store: SqlStore
) -> None:
    await add_room(store)
    await add_room(store, "room_2")
    posts = Posts(store)
    taken = await posts.send()
    batch = [await posts.new(f"room_{1 + n % 2}", calls=calls) for n in range(16)]
    batch[11] = await posts.new("room_1", message_id=taken.message_id, calls=calls)
    outcomes = await store.posts.commit(batch)

    culprit = outcomes[11]
    assert isinstance(culprit, HubError)
    assert [n for n, o in enumerate(outcomes) if not isinstance(o, Posted)] == [11]
    entries = [e for e, _ in await store.log.read("room_1", 0, 100)]
    heads = await store.log.heads(["room_1"])
    assert [e.seq for e in entries] == list(range(1, heads["room_1"].head + 1))
    assert len({e.ref for e in entries if e.type == "message.created"}) == 9


async def test_a_refused_post_leaves_no_trace(store: SqlStore) -> None:
    room = await add_room(store)
    await add_room(store, "room_2")
    posts = Posts(store)
    key = RequestKey("scope", "refused", "digest")
    await store.rooms.update(ACME, "room_2", {"archived_ms": AT_MS}, ADMIN, AT_MS)
    posts.acl["room_2"] = room.acl_version + 1
    refused = [
        await posts.new("room_2", "to an archived room", key=key),
        await posts.new("room_1", "no such thread", thread_id="msg_none", key=key),
    ]
    await store.rooms.add_members(ACME, "room_1", [member("user_carol")])
    refused.append(await posts.new("room_1", "authorised before", key=key, calls=(ELIZA,)))
    head = (await store.log.heads(["room_1"]))["room_1"].head
    outcomes = await store.posts.commit(refused)

    archived, no_thread, stale = outcomes
    assert isinstance(archived, Conflict)
    assert archived.code == "ROOM_ARCHIVED"
    assert isinstance(no_thread, StaleAccess)
    assert isinstance(stale, StaleAccess)
    assert (await store.log.heads(["room_1"]))["room_1"].head == head
    for table in ("messages", "runs", "idempotency"):
        assert await rows(store, f"SELECT * FROM {table}") == []


async def test_a_thread_of_another_room_is_a_missing_message(store: SqlStore) -> None:
    await add_room(store)
    await add_room(store, "room_2")
    posts = Posts(store)
    elsewhere = await posts.send("room_2")
    (outcome,) = await store.posts.commit([await posts.new(thread_id=elsewhere.message_id)])
    assert isinstance(outcome, Missing)
    assert outcome.code == "MESSAGE_NOT_FOUND"


async def test_a_retry_gives_the_first_result_even_after_a_restart(settings: Settings) -> None:
    async with open_store(settings.database) as store:
        await add_room(store)
        first = await Posts(store).send(content="once", key=KEY, calls=(ELIZA,))
    async with open_store(settings.database) as store:
        posts = Posts(store, count=50)
        again = await posts.send(content="once", key=KEY, calls=(ELIZA,))
        other = await posts.new(content="twice", key=RequestKey(KEY.scope, KEY.key, "other"))
        (refused,) = await store.posts.commit([other])
        assert (again.message_id, again.seq, again.replayed) == (first.message_id, first.seq, True)
        assert [run.id for run in again.runs] == [run.id for run in first.runs]
        assert again.message == first.message
        assert isinstance(refused, Conflict)
        assert refused.code == "IDEMPOTENCY_CONFLICT"
        assert len(await rows(store, "SELECT id FROM messages")) == 1
        assert len(await rows(store, "SELECT id FROM runs")) == 1


@PLAIN_OR_NOT
async def test_a_replay_shows_the_message_as_it_is_now(
    calls: tuple[str, ...], store: SqlStore
) -> None:
    await add_room(store)
    posts = Posts(store)
    await posts.send(content="first words", key=KEY, calls=calls)
    await store.database.write(
        lambda c: c.execute(text("UPDATE messages SET deleted_ms = 1, content = ''"))
    )
    again = await posts.send(content="first words", key=KEY, calls=calls)
    assert (again.message.content, again.message.deleted_ms) == ("", 1)


async def test_a_thread_knows_how_many_replies_it_has_and_the_time_of_the_last(
    store: SqlStore,
) -> None:
    await add_room(store)
    posts = Posts(store)
    root = await posts.send()
    reply = await posts.send(thread_id=root.message_id, at_ms=AT_MS + 1)
    await store.posts.commit(
        [
            await posts.new(thread_id=root.message_id, at_ms=AT_MS + 2),
            await posts.new(thread_id=reply.message_id, at_ms=AT_MS + 3),
        ]
    )
    message = await store.messages.get(ACME, "room_1", root.message_id)
    assert message is not None
    assert (message.reply_count, message.last_reply_ms) == (3, AT_MS + 3)
    thread = await store.messages.thread("room_1", root.message_id, 0, 100)
    assert [m.thread_id for m in thread] == [None] + [root.message_id] * 3


async def test_a_session_counts_its_messages(store: SqlStore) -> None:
    await add_room(store)
    await add_session(store)
    await add_session(store, "sess_2")
    posts = Posts(store)
    await store.posts.commit(
        [await posts.new(r, at_ms=AT_MS + 9) for r in ("sess_1", "room_1", "sess_2", "sess_1")]
    )
    counts = [await store.sessions.get(ACME, name) for name in ("sess_1", "sess_2")]
    assert [s and (s.message_count, s.updated_ms) for s in counts] == [
        (2, AT_MS + 9), (1, AT_MS + 9)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "kind", "code"),
    [
        ({"status": "closed"}, Conflict, "SESSION_CLOSED"),
        ({"deleted_ms": 5, "status": "closed"}, Missing, "SESSION_NOT_FOUND"),
    ],
)
async def test_a_closed_or_deleted_session_takes_no_posts(
    changes: dict[str, object], kind: type[HubError], code: str, store: SqlStore
) -> None:
    await add_session(store)
    post = await Posts(store).new("sess_1")
    await store.sessions.update(ACME, "sess_1", changes, audit("sess_1"))
    (outcome,) = await store.posts.commit([post])
    assert isinstance(outcome, kind)
    assert outcome.code == code


async def test_an_ai_author_without_a_run_stands_a_hop_past_the_last_person(
    store: SqlStore,
) -> None:
    await add_room(store, people=("user_alice", "bot_own", ELIZA))
    posts = Posts(store)
    asked = await posts.send(content="hello everybody")
    called = await posts.send(by="bot_own", calls=(ELIZA,))
    assert [(r.depth, r.root_message_id) for r in called.runs] == [(2, asked.message_id)]


async def test_an_ai_author_that_was_called_stands_where_its_run_stands(store: SqlStore) -> None:
    await add_room(store, people=("user_alice", ELIZA, "persona_second"))
    posts = Posts(store)
    asked = await posts.send(calls=(ELIZA,))
    depth = []
    for by, calls in [(ELIZA, "persona_second"), ("persona_second", ELIZA)] * 4:
        posted = await posts.send(by=by, calls=(calls,))
        depth.append((posted.runs[0].depth, posted.runs[0].state))
        assert posted.runs[0].root_message_id == asked.message_id
    assert depth == [(n, "queued") for n in (2, 3, 4, 5, 6)] + [(7, "suppressed"),
                                                                (8, "suppressed"),
                                                                (9, "suppressed")]  # fmt: skip


async def test_the_text_a_client_sent_is_the_text_that_is_read(store: SqlStore) -> None:
    await add_room(store)
    odd = "👍🏽 ﬀİß \u202e e\u0301 \ufffe\uffff ' \" \\ % ; -- \r\n\t\x01"
    posted = await Posts(store).send(content=odd)
    message = await store.messages.get(ACME, "room_1", posted.message_id)
    assert message is not None
    assert message.content == odd


async def test_the_same_room_name_in_two_tenants_is_two_rooms(store: SqlStore) -> None:
    await add_room(store, "room_a", tenant=ACME)
    await add_room(store, "room_b", tenant=RIVAL)
    posted = await Posts(store, RIVAL).send("room_b", message_id="msg_rival")
    assert await store.messages.get(ACME, "room_b", posted.message_id) is None


async def twelve(posts: Posts, name: str, *, calls: tuple[str, ...] = ()) -> list[NewPost]:
    """Twelve posts to three rooms, which differ from others by `name` alone."""
    new = []
    for n in range(12):
        key = RequestKey(f"scope {name}", f"key {n}", "digest") if n % 3 == 0 else None
        post = await posts.new(
            ROOMS[(n * n + n // 5) % 3], f"text {n}", message_id=f"{name}_{n}", calls=calls,
            key=key, at_ms=AT_MS + n,
        )  # fmt: skip
        bob = {"type": "user", "id": "user_bob"}
        new.append(post._replace(client_id=f"c{n}", mention=(bob,) if n % 2 else ()))
    return new


async def test_plain_posts_are_stored_like_all_others(store: SqlStore) -> None:
    """And both ways go on where the other left off."""
    for room in ROOMS:
        await add_room(store, room)
    posts, offset = Posts(store), dict.fromkeys(ROOMS, 0)
    found: dict[str, list[object]] = {}
    columns = """e.type, e.at_ms, e.data, m.seq = e.seq, m.room_id, m.tenant_id, m.thread_id,
        m.author_id, m.content, m.mention, m.created_ms, m.client_id, m.run_id, m.status, m.depth,
        m.reply_count, i.key, i.digest, i.created_ms"""
    for name, calls in (("plain", ()), ("other", ("bot_own",)), ("again", ())):
        stored = await store.posts.commit(await twelve(posts, name, calls=calls))
        assert all(isinstance(each, Posted) for each in stored)
        heads = {at: head.head for at, head in (await store.log.heads(ROOMS)).items()}
        for room in ROOMS:
            log = await store.log.read(room, offset[room], 100)
            assert heads[room] == log[-1][0].seq
        told = await rows(
            store,
            f"""SELECT {columns}, replace(m.id || ' ' || root_message_id, '{name}', '')
            FROM messages m JOIN events e ON e.ref = m.id LEFT JOIN idempotency i ON i.ref = m.id
            WHERE m.id LIKE '{name}%' ORDER BY m.created_ms""",
        )
        assert len(told) == 12
        found[name] = [repr(row) for row in told]
        offset = heads
    assert found["plain"] == found["other"] == found["again"]


async def test_plain_posts_share_the_transaction_of_who_waits_with_them(store: SqlStore) -> None:
    await add_room(store)
    posts = Posts(store)
    taken = await posts.send()
    first, second = await posts.new(message_id=taken.message_id), await posts.new()

    def fails(connection: Connection) -> None:
        connection.execute(text("INSERT INTO tenants VALUES ('new', 'New', 1)"))
        raise LookupError

    broken, good, failed = await asyncio.gather(
        store.posts.commit([first], wait=True), store.posts.commit([second], wait=True),
        store.database.write(fails),
        return_exceptions=True,
    )  # fmt: skip
    assert not isinstance(broken, BaseException)
    assert not isinstance(good, BaseException)
    assert not isinstance(broken[0], Posted)
    assert isinstance(good[0], Posted)
    assert isinstance(failed, LookupError)
    assert (await store.log.heads(["room_1"]))["room_1"].head == taken.seq + 1


async def test_an_ai_is_never_at_the_beginning_of_a_chain(store: SqlStore) -> None:
    await add_room(store, people=("user_alice", "bot_own"))
    posts = Posts(store)
    asked = await posts.send()
    said = await posts.send(by="bot_own")
    depth = "SELECT depth, root_message_id FROM messages WHERE id = "
    assert await rows(store, f"{depth}'{said.message_id}'") == [(1, asked.message_id)]


class Leaving:
    """A database that is away after so many `left` transactions."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.left = 1_000

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._database, name)
        if name not in ("write", "transact_driver"):
            return found

        async def transact(*arguments: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise Unavailable("away")
            return await found(*arguments, **named)

        return transact


async def test_of_a_batch_that_is_stored_in_halves_each_is_told_what_became_of_it(
    store: SqlStore,
) -> None:
    await add_room(store)
    posts = Posts(store)
    leaving, store_posts = Leaving(store.database), cast(Any, type(store.posts))
    leaving_posts = store_posts(leaving, Limits())
    await leaving_posts.commit([await posts.new(message_id="msg_there")])
    batch = [await posts.new(message_id=name) for name in ("msg_1", "msg_2", "msg_there", "msg_3")]
    leaving.left = 2  # the whole, which breaks a rule, and the first half
    outcomes = await leaving_posts.commit(batch)
    assert ["msg_1", "msg_2", "Unavailable", "Unavailable"] == ids(outcomes)
    found = await rows(store, "SELECT id FROM messages WHERE id IN ('msg_1', 'msg_2', 'msg_3')")
    assert [("msg_1",), ("msg_2",)] == sorted(found)
