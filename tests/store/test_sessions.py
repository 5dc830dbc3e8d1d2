"""`hub.store.sessions`: kept, marked deleted, or erased for good."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, text

from hub.core.metadata import FOUND_CHARS
from hub.core.posts import RequestKey
from hub.core.values import Json
from hub.ports import Asked, AuditEntry, Page, Reply, Written
from hub.store.queries import fetch
from hub.store.session_lists import LISTED
from hub.store.session_metadata import FEW, few
from hub.store.sessions import SqlSessions
from hub.store.store import LIMITS, SqlStore
from tests.support.parts import (
    ACME,
    ADMIN,
    AT_MS,
    ELIZA,
    RIVAL,
    Posts,
    add_session,
    audit,
    member,
    room,
)

AUDIT = AuditEntry("audit_1", ADMIN, "session.erased", "sess_1", AT_MS, {"owner": "user_alice"})


async def count(store: SqlStore, table: str) -> int:
    found = await store.database.read(
        lambda c: c.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
    )
    return int(found)


async def test_a_session_is_a_room_of_its_own_kind(store: SqlStore) -> None:
    session = await add_session(store)
    view = await store.rooms.view(ACME, session.id)
    assert view is not None
    assert (view.room.kind, set(view.members)) == ("session", {"user_alice", ELIZA})
    assert await store.rooms.page(ACME, None, Page(10)) == []


async def test_the_same_request_makes_one_session(store: SqlStore) -> None:
    session = await add_session(store)
    key, people = RequestKey("s", "k", "d"), [member("user_alice", "owner")]
    await store.rooms.create(room("room_first"), people, key)
    again = await store.sessions.create(session, room("sess_9", kind="session"), people, key)
    assert again == Written(earlier="room_first")
    assert await store.rooms.view(ACME, "sess_9") is None


async def test_a_deleted_session_is_found_only_when_asked_for(store: SqlStore) -> None:
    await add_session(store)
    deleted = await store.sessions.delete(ACME, "sess_1", AUDIT)
    assert deleted is not None
    assert await store.sessions.get(ACME, "sess_1") is None
    assert await store.sessions.get(ACME, "sess_1", deleted=True) == deleted.session
    assert await store.sessions.page(ACME, None, None, Page(10)) == []
    assert await store.sessions.update(ACME, "sess_1", {"title": "x"}, AUDIT) is None


async def test_erasing_removes_everything_but_the_audit_trail(store: SqlStore) -> None:
    await add_session(store)
    await add_session(store, "sess_2")
    posts = Posts(store)
    for session_id in ("sess_1", "sess_2"):
        run = (await posts.send(session_id, calls=(ELIZA,))).runs[0]
        claimed = await store.runs.claim(run.id, "w", 60_000)
        assert claimed is not None
        await store.runs.finish(run.id, 1, Reply("succeeded", "reply", AT_MS))
    tables = ("rooms", "sessions", "members", "messages", "events", "runs")
    before = {table: await count(store, table) for table in tables}
    await store.sessions.update(ACME, "sess_1", {"title": "t"}, AUDIT)

    erased = AuditEntry("audit_2", ADMIN, "session.erased", "sess_1", AT_MS, {})
    assert await store.sessions.erase(ACME, "sess_1", erased) is True
    assert {table: await count(store, table) * 2 for table in tables} == before
    assert await store.sessions.get(ACME, "sess_1", deleted=True) is None
    trail = "SELECT id, actor_id, action, object_id FROM audit_log ORDER BY id"
    assert await store.database.read(lambda c: [tuple(r) for r in c.execute(text(trail))]) == [
        ("audit_1", "user_admin", "session.erased", "sess_1"),
        ("audit_2", "user_admin", "session.erased", "sess_1"),
    ]


async def test_a_run_of_an_erased_session_cannot_end(store: SqlStore) -> None:
    await add_session(store)
    run = (await Posts(store).send("sess_1", calls=(ELIZA,))).runs[0]
    await store.runs.claim(run.id, "w", 60_000)
    await store.sessions.erase(ACME, "sess_1", AUDIT)
    assert await store.runs.finish(run.id, 1, Reply("succeeded", "late", AT_MS)) is None
    assert await count(store, "messages") == 0


async def test_sessions_are_listed_by_owner_and_status_newest_first(store: SqlStore) -> None:
    for n, owner in enumerate(["user_alice", "user_bob", "user_alice"]):
        await add_session(store, f"sess_{n}", owner)
    await store.sessions.update(ACME, "sess_0", {"status": "closed"}, AUDIT)

    async def listed(owner: str | None, status: str | None, page: Page) -> list[str]:
        return [s.id for s in await store.sessions.page(ACME, owner, status, page)]

    assert await listed(None, None, Page(10)) == ["sess_2", "sess_1", "sess_0"]
    assert await listed("user_alice", None, Page(10)) == ["sess_2", "sess_0"]
    assert await listed("user_alice", "active", Page(10)) == ["sess_2"]
    assert await listed(None, None, Page(1, after="sess_2")) == ["sess_1"]


AWKWARD = [
    "a.b", "$.a", '$."a"', 'a"b', "a'b", "a' OR '1'='1", "a\\b", "a%b", "a_b", "*", "[0]", "a[0]",
    "#>>", ":x", "?", "$1", "ключ", "👍", " ",
]  # fmt: skip


async def found(store: SqlStore, asked: Asked, owner: str | None = None, **page: Any) -> list[str]:
    """Where few have what is asked for, and where many do, the same is found in another way."""
    wanted = Page(page.pop("limit", 10), page.pop("after", None))
    status = page.pop("status", None)
    answers = [
        [s.id for s in await sessions.page(ACME, owner, status, wanted, asked)]
        for most in (FEW, 2, 1, 0)
        for sessions in (SqlSessions(store.database, LIMITS, most),)
    ]
    assert answers[1:] == answers[:1] * 3
    return answers[0]


async def test_sessions_are_found_by_what_is_kept_with_them(store: SqlStore) -> None:
    values: list[Any] = ["5", 5, 5.0, "true", True, "5.0", None, ["5"], {"n": "5"}, "x" * 300]
    for n, value in enumerate(values):
        await add_session(store, f"sess_{n}", metadata={"n": value, "all": "yes"})
    await add_session(store, "sess_foreign", tenant=RIVAL, metadata={"n": "5"})
    for owner in (None, "user_alice"):
        assert ["sess_2", "sess_1", "sess_0"] == await found(store, {"n": "5"}, owner)
        assert ["sess_4", "sess_3"] == await found(store, {"n": "true"}, owner)
        assert ["sess_5"] == await found(store, {"n": "5.0"}, owner)
        for absent in ("null", "", '["5"]', "x" * 300, "05", "5 ", "%", "TRUE"):
            assert [] == await found(store, {"n": absent}, owner), absent
        assert [] == await found(store, {"N": "5"}, owner)
        assert 10 == len(await found(store, {"all": "yes"}, owner))
    assert [] == await found(store, {"n": "5"}, "user_bob")


@pytest.mark.parametrize("key", AWKWARD)
async def test_a_key_is_a_key_whatever_is_in_it(store: SqlStore, key: str) -> None:
    await add_session(store, "sess_1", metadata={"a": {"b": "deep"}, "b": [1]})
    await add_session(store, "sess_2", metadata={key: "it's"})
    await add_session(store, "sess_3", metadata={"x": key})
    for owner in (None, "user_alice"):
        assert ["sess_2"] == await found(store, {key: "it's"}, owner)
        assert ["sess_3"] == await found(store, {"x": key}, owner)
        for other in ("deep", "1", "its", "' OR ''='"):
            assert [] == await found(store, {key: other}, owner)


async def test_the_longest_key_and_value_are_found(store: SqlStore) -> None:
    """An index of PostgreSQL takes no more than 2.7 KB."""
    signs = [chr(0x1F300 + n) for n in range(FOUND_CHARS)]
    key, value = "".join(signs), "".join(reversed(signs))
    await add_session(store, metadata={key: value})
    assert ["sess_1"] == await found(store, {key: value})


async def test_all_that_is_asked_for_must_be_had_page_by_page(store: SqlStore) -> None:
    """Wherever it stands in the question."""
    for n in range(6):
        metadata = {"env": "prod", "part": "even" if n % 2 == 0 else "odd", "half": n // 3, "n": n}
        await add_session(store, f"sess_{n}", ["user_alice", "user_bob"][n // 3], metadata=metadata)
    await store.sessions.update(ACME, "sess_4", {"status": "closed"}, AUDIT)
    for asked in ({"env": "prod", "part": "even"}, {"part": "even", "env": "prod"}):
        assert ["sess_4", "sess_2", "sess_0"] == await found(store, asked)
        assert ["sess_2", "sess_0"] == await found(store, asked, "user_alice")
        assert ["sess_4"] == await found(store, asked, status="closed")
        assert ["sess_4", "sess_2"] == await found(store, asked, limit=2)
        assert ["sess_0"] == await found(store, asked, limit=2, after="sess_2")
        assert ["sess_4"] == await found(store, asked | {"half": "1"})
        assert ["sess_4"] == await found(store, asked | {"n": "4"})
        assert [] == await found(store, asked | {"n": "5"})
        assert [] == await found(store, asked | {"third": "x"})


async def test_a_session_is_found_by_what_it_has_now(store: SqlStore) -> None:
    await add_session(store, metadata={"project": "old", "kept": "yes"})
    await add_session(store, "sess_2", metadata={"project": "old"})
    changes: Json = {"metadata": {"project": "new", "more": 1}}
    await store.sessions.update(ACME, "sess_1", changes, AUDIT)
    assert ["sess_2"] == await found(store, {"project": "old"})
    assert [] == await found(store, {"kept": "yes"})
    assert ["sess_1"] == await found(store, {"project": "new", "more": "1"})
    titled = AuditEntry("audit_2", ADMIN, "session.changed", "sess_1", AT_MS, {})
    await store.sessions.update(ACME, "sess_1", {"title": "t"}, titled)
    assert ["sess_1"] == await found(store, {"project": "new"})
    gone = AuditEntry("audit_3", ADMIN, "session.deleted", "sess_1", AT_MS, {})
    await store.sessions.delete(ACME, "sess_1", gone)
    assert [] == await found(store, {"project": "new"})
    erased = AuditEntry("audit_4", ADMIN, "session.erased", "sess_1", AT_MS, {})
    await store.sessions.erase(ACME, "sess_1", erased)
    assert 1 == await count(store, "session_metadata")


async def test_those_that_wait_or_were_taken_are_found_too(store: SqlStore) -> None:
    for n in range(4):
        await add_session(store, f"sess_{n}", metadata={"half": str(n % 2)})
        await store.sessions.escalate(ACME, f"sess_{n}", None, audit(f"sess_{n}"))
    waiting = await store.sessions.waiting(ACME, None, Page(10), {"half": "1"})
    assert ["sess_1", "sess_3"] == [s.id for s in waiting]
    for n in range(4):
        agent = member("user_bob")
        await store.sessions.take_over(ACME, f"sess_{n}", agent, {}, audit(f"sess_{n}"))
    taken = await store.sessions.taken(ACME, "user_bob", Page(10), {"half": "0"})
    assert ["sess_2", "sess_0"] == [s.id for s in taken]


async def test_for_what_few_have_no_list_is_walked_through(store: SqlStore) -> None:
    """An application may have one owner for all of its sessions, and ask for one of 100,000."""
    for n in range(3):
        await add_session(store, f"sess_{n}", metadata={"env": "prod", "id": str(n)})

    async def looked_at(most: int, **asked: str) -> list[str] | None:
        return await store.database.read(lambda c: few(c, ACME, asked, most))

    assert ["sess_1"] == await looked_at(2, env="prod", id="1")
    assert ["sess_1"] == await looked_at(2, id="1", env="prod")
    assert [] == await looked_at(2, env="test", id="1")
    assert await looked_at(3, env="prod") is None
    assert 3 == len(await looked_at(4, env="prod") or ())


async def test_what_few_have_is_found_by_its_ids(store: SqlStore) -> None:
    def plan(connection: Connection) -> str:
        values = (["sess_1"], ACME, "user_alice", "active")
        if connection.dialect.name == "sqlite":
            return str(fetch(connection, f"EXPLAIN QUERY PLAN {LISTED}", *values))
        connection.execute(text("SET LOCAL enable_seqscan = off"))  # it is empty
        return str(fetch(connection, f"EXPLAIN {LISTED}", *values))

    told = await store.database.write(plan)  # SET LOCAL is of a transaction
    assert "sqlite_autoindex_sessions_1 (id=?)" in told or "Index Cond: (id = ANY" in told, told
