"""Group commit on SQLite: a batch of posts in one transaction, by the driver's bulk statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, exc

from hub.core.errors import HubError
from hub.core.governor import Limits
from hub.core.posts import (
    Known,
    NewPost,
    Plan,
    Posted,
    RoomState,
    RootState,
    Verdict,
    plan,
    rooms_of,
)
from hub.core.triggers import Cause
from hub.store.database import SqliteDatabase, sqlite_driver
from hub.store.plain_posts import PlainPosts, is_plain
from hub.store.posted import HUMAN_AMONG, RUN_COLUMNS, calls_of, closed, in_halves, run_row, stored
from hub.store.queries import Queries, each_text, json_text
from hub.store.triggers import read_ground, write_effects

_IN = "IN (SELECT value FROM json_each(?))"
_ROOMS = f"""SELECT json_group_array(json_array(id, head, acl_version, archived_ms))
             FROM rooms WHERE id {_IN}"""
_SESSIONS = f"SELECT id, status, deleted_ms FROM sessions WHERE id {_IN}"
_ROOTS = f"SELECT id, room_id, thread_id FROM messages WHERE id {_IN}"
_KEYS = """SELECT i.scope, i.key, i.digest, i.ref FROM json_each(?) j JOIN idempotency i
           ON i.scope = j.value ->> 0 AND i.key = j.value ->> 1"""
_HEADS = "UPDATE rooms SET head = j.value FROM json_each(?) j WHERE rooms.id = j.key"
_COUNT = """UPDATE sessions SET message_count = message_count + ?, updated_ms = ? WHERE id = ?"""
_THREAD = "UPDATE messages SET reply_count = reply_count + ?, last_reply_ms = ? WHERE id = ?"
_CAUSE = """SELECT depth + 1, root_message_id FROM addressed
            WHERE room_id = ? AND participant_id = ?"""
_HUMAN = f"""SELECT root_message_id FROM (SELECT author_id, root_message_id, seq FROM messages
             WHERE room_id = ? ORDER BY seq DESC LIMIT {HUMAN_AMONG})
             WHERE author_id GLOB 'user_*' ORDER BY seq DESC LIMIT 1"""


def _insert(table: str, *columns: str) -> str:
    """All rows of a table in one statement: the driver lets go of Python's lock for each step of a
    statement, and to get it back from a busy loop takes longer than to write the row."""
    values = ", ".join(f"value ->> {i}" for i in range(len(columns)))
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM json_each(?)"


_KEYS_IN = _insert("idempotency", "scope", "key", "digest", "ref", "created_ms")
_EVENTS_IN = _insert("events", "room_id", "seq", "type", "at_ms", "ref", "data")
_MESSAGES_IN = _insert(
    "messages", "id", "room_id", "seq", "tenant_id", "thread_id", "author_id", "content",
    "mention", "created_ms", "client_id", "depth", "root_message_id",
)  # fmt: skip
_RUNS_IN = _insert("runs", *RUN_COLUMNS)
Fetch = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]


class SqlitePosts:
    """`PostStore` on the embedded database."""

    def __init__(self, database: SqliteDatabase, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        self._plain = PlainPosts(limits)
        self._prepared = False

    async def commit(self, posts: Sequence[NewPost], *, wait: bool = False) -> list[Verdict]:
        try:
            if all(map(is_plain, posts)) and (done := await self._store_plain(posts)):
                return done
            return await self._database.write(lambda c: _commit(c, posts, self._limits))
        except (exc.IntegrityError, sqlite_driver.IntegrityError) as error:
            if len(posts) == 1:
                return [HubError(f"the post breaks a rule of the database: {error}")]
        return await in_halves(self.commit, posts)

    async def _store_plain(self, posts: Sequence[NewPost]) -> list[Verdict] | None:
        if not self._prepared:
            await self._database.write(self._plain.prepare)
            self._prepared = True
        return await self._database.write(lambda c: self._plain.store(c, posts), whole=True)

    async def preview(self, post: NewPost) -> Verdict:
        done = await self._database.write(lambda c: _plan(c, [post], self._limits)[0])
        return done.outcomes[0]


def _commit(connection: Connection, posts: Sequence[NewPost], limits: Limits) -> list[Verdict]:
    done, raw = _plan(connection, posts, limits)
    if done.messages:
        _write(raw, posts, done)
    return [*done.outcomes]


def _plan(connection: Connection, posts: Sequence[NewPost], limits: Limits) -> tuple[Plan, Any]:
    """The batch decided, and the driver's connection on which to write it."""
    raw = connection.connection.driver_connection
    assert raw is not None

    def fetch(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = raw.execute(sql, values).fetchall()
        return found

    roots, causes = _roots(fetch, posts), _causes(fetch, posts)
    calls = calls_of(posts, roots, causes)
    known = Known(
        _rooms(fetch, rooms_of(posts)), _keys(fetch, connection, posts), roots, causes,
        _drive(raw, read_ground(calls, limits)),
    )  # fmt: skip
    return plan(posts, known, limits), raw


def _drive(raw: Any, queries: Queries) -> Any:
    """Run generated statements on the driver's connection."""
    try:
        sql, values = next(queries)
        while True:
            sql, values = queries.send(raw.execute(sql.replace("$", "?"), values).fetchall())
    except StopIteration as done:
        return done.value


def _rooms(fetch: Fetch, ids: list[str]) -> dict[str, RoomState]:
    asked = [i for i in ids if i.startswith("sess_")]
    sessions = {s: (a, b) for s, a, b in fetch(_SESSIONS, [each_text(asked)])} if asked else {}
    ((found,),) = fetch(_ROOMS, [each_text(ids)])  # one row: see `_insert`
    return {
        room: RoomState(head, acl, closed(archived, sessions.get(room)))
        for room, head, acl, archived in orjson.loads(found)
    }


def _keys(
    fetch: Fetch, connection: Connection, posts: Sequence[NewPost]
) -> dict[tuple[str, str], tuple[str, Posted | None]]:
    asked = [[p.key.scope, p.key.key] for p in posts if p.key]
    if not asked:
        return {}
    return {
        (scope, key): (digest, stored(connection, ref))
        for scope, key, digest, ref in fetch(_KEYS, [each_text(asked)])
    }


def _roots(fetch: Fetch, posts: Sequence[NewPost]) -> dict[str, RootState]:
    asked = sorted({p.thread_id for p in posts if p.thread_id})
    if not asked:
        return {}
    return {i: RootState(room, thread) for i, room, thread in fetch(_ROOTS, [each_text(asked)])}


def _causes(fetch: Fetch, posts: Sequence[NewPost]) -> dict[tuple[str, str], Cause]:
    """Where AI authors stand who post by their own key: a hop past who addressed them last."""
    found: dict[tuple[str, str], Cause] = {}
    for post in posts:
        if not post.author.is_ai:
            continue
        at = (post.room_id, post.author.id)
        if called := fetch(_CAUSE, at):
            found[at] = Cause(*called[0])
        elif human := fetch(_HUMAN, [post.room_id]):
            found[at] = Cause(1, human[0][0])
        else:
            found[at] = Cause(1, post.message_id)
    return found


def _write(raw: Any, posts: Sequence[NewPost], done: Plan) -> None:
    tenants = {post.message_id: post.tenant_id for post in posts}
    _insert_all(raw, _KEYS_IN, [(k.scope, k.key, k.digest, ref, at) for k, ref, at in done.keys])
    _insert_all(
        raw, _MESSAGES_IN,
        [
            (m.id, m.room_id, m.seq, tenants[m.id], m.thread_id, m.author.id, m.content,
             json_text(m.mention or None), m.created_ms, m.client_id, cause.depth,
             cause.root_message_id)
            for m, cause in done.messages
        ],
    )  # fmt: skip
    _insert_all(
        raw, _EVENTS_IN,
        [(e.room_id, e.seq, e.type, e.at_ms, e.ref, json_text(e.data)) for e in done.entries],
    )  # fmt: skip
    raw.execute(_HEADS, [each_text(done.heads)])
    _insert_all(raw, _RUNS_IN, [run_row(run) for run in done.runs])
    at = done.messages[-1][0].created_ms
    _drive(raw, write_effects(done.effects, at))
    if done.replies:
        raw.executemany(_THREAD, [(n, at, root) for root, (n, at) in done.replies.items()])
    counts = Counter(m.room_id for m, _ in done.messages if m.room_id.startswith("sess_"))
    if counts:
        raw.executemany(_COUNT, [(n, at, room) for room, n in counts.items()])


def _insert_all(raw: Any, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        raw.execute(statement, [each_text(rows)])
