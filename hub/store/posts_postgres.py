"""Group commit on PostgreSQL: a batch of posts in one transaction, by asyncpg's own statements.

Locks are taken in the order of the whole system: requests' keys, then rooms, each sorted. Rooms
that another transaction holds are skipped and their posts deferred, so that one held row does not
hold up a batch for many rooms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import asyncpg

from hub.core.errors import HubError
from hub.core.governor import Limits
from hub.core.posts import (
    Deferred,
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
from hub.store.lanes import Lane
from hub.store.posted import HUMAN_AMONG, RUN_COLUMNS, calls_of, closed, in_halves, run_row, stored
from hub.store.postgres import PostgresDatabase
from hub.store.queries import Queries, json_text
from hub.store.triggers import read_ground, write_effects

_CLAIM_KEYS = """INSERT INTO idempotency (scope, key, digest, ref, created_ms)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
    ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING scope, key"""
_KNOWN_KEYS = """SELECT i.scope, i.key, i.digest, i.ref FROM idempotency i
    JOIN unnest($1::text[], $2::text[]) AS k(scope, key) USING (scope, key)"""
_DROP_KEYS = """DELETE FROM idempotency i USING unnest($1::text[], $2::text[]) AS k(scope, key)
    WHERE i.scope = k.scope AND i.key = k.key"""
_LOCK = """SELECT id, head, acl_version, archived_ms FROM rooms WHERE id = ANY($1::text[])
    ORDER BY id FOR NO KEY UPDATE"""
_EXIST = "SELECT id FROM rooms WHERE id = ANY($1::text[])"
_SESSIONS = "SELECT id, status, deleted_ms FROM sessions WHERE id = ANY($1::text[])"
_ROOTS = "SELECT id, room_id, thread_id FROM messages WHERE id = ANY($1::text[])"
_CAUSE = """SELECT depth + 1, root_message_id FROM addressed
    WHERE room_id = $1 AND participant_id = $2"""
_HUMAN = rf"""SELECT root_message_id FROM (SELECT author_id, root_message_id, seq FROM messages
    WHERE room_id = $1 ORDER BY seq DESC LIMIT {HUMAN_AMONG}) AS newest
    WHERE author_id LIKE 'user\_%' ORDER BY seq DESC LIMIT 1"""
# Three in one message to the server; they touch different tables, so their order is no matter.
_STORE = """WITH said AS (INSERT INTO messages (id, room_id, seq, tenant_id, thread_id, author_id,
    content, mention, created_ms, client_id, depth, root_message_id)
    SELECT id, room_id, seq, tenant_id, thread_id, author_id, content, mention::json, created_ms,
    client_id, depth, root_message_id FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[],
    $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[], $11::int[],
    $12::text[]) AS v(id, room_id, seq, tenant_id, thread_id, author_id, content, mention,
    created_ms, client_id, depth, root_message_id)),
    told AS (INSERT INTO events (room_id, seq, type, at_ms, ref, data)
    SELECT room_id, seq, type, at_ms, ref, data::json FROM unnest($13::text[], $14::bigint[],
    $15::text[], $16::bigint[], $17::text[], $18::text[])
    AS v(room_id, seq, type, at_ms, ref, data))
    UPDATE rooms SET head = v.head FROM unnest($19::text[], $20::bigint[]) AS v(id, head)
    WHERE rooms.id = v.id"""
_THREADS = """UPDATE messages SET reply_count = reply_count + v.n, last_reply_ms = v.at_ms
    FROM unnest($1::text[], $2::int[], $3::bigint[]) AS v(id, n, at_ms) WHERE messages.id = v.id"""
_COUNTS = """UPDATE sessions SET message_count = message_count + v.n, updated_ms = $3
    FROM unnest($1::text[], $2::int[]) AS v(id, n) WHERE sessions.id = v.id"""
_RUNS = f"""INSERT INTO runs ({", ".join(RUN_COLUMNS)})
    VALUES ({", ".join(f"${i}" for i in range(1, len(RUN_COLUMNS) + 1))})"""

Results = dict[tuple[str, str], tuple[str, Posted | None]]


class PostgresPosts:
    """`PostStore` on PostgreSQL."""

    def __init__(self, database: PostgresDatabase, limits: Limits) -> None:
        self._database = database
        self._limits = limits

    async def commit(self, posts: Sequence[NewPost], *, wait: bool = False) -> list[Verdict]:
        async def work(connection: Any) -> list[Verdict]:
            return await self._commit(connection, posts, wait)

        try:
            return await self._database.transact_driver(work, Lane.WRITE if wait else Lane.POST)
        except asyncpg.IntegrityConstraintViolationError as error:
            if len(posts) == 1:
                return [HubError(f"the post breaks a rule of the database: {error}")]
        return await in_halves(partial(self.commit, wait=wait), posts)

    async def preview(self, post: NewPost) -> Verdict:
        async def work(connection: Any) -> Verdict:
            rooms, _ = await _rooms(connection, [post.room_id], wait=True)
            return (await self._plan(connection, [post], rooms, {})).outcomes[0]

        return await self._database.transact_driver(work)

    async def _commit(self, db: Any, posts: Sequence[NewPost], wait: bool) -> list[Verdict]:
        claimed, known = await self._keys(db, posts)
        rooms, held = await _rooms(db, rooms_of(posts), wait)
        free = [post for post in posts if post.room_id not in held]
        done = await self._plan(db, free, rooms, known)
        stored_keys = {(key.scope, key.key) for key, _, _ in done.keys}
        if unused := claimed - stored_keys:
            await db.execute(_DROP_KEYS, *map(list, zip(*unused, strict=True)))
        if done.messages:
            await _write(db, free, done)
        outcomes = iter(done.outcomes)
        return [Deferred() if p.room_id in held else next(outcomes) for p in posts]

    async def _plan(
        self, db: Any, posts: Sequence[NewPost], rooms: dict[str, RoomState], known: Results
    ) -> Plan:
        roots, causes = await _roots(db, posts), await _causes(db, posts)
        calls = calls_of(posts, roots, causes)
        ground = await _drive(db, read_ground(calls, self._limits))
        return plan(posts, Known(rooms, known, roots, causes, ground), self._limits)

    async def _keys(
        self, db: Any, posts: Sequence[NewPost]
    ) -> tuple[set[tuple[str, str]], Results]:
        """The keys this batch is the first to use, and the results stored under the others."""
        asked = {(p.key.scope, p.key.key): p for p in reversed(posts) if p.key}
        if not asked:
            return set(), {}
        rows = [
            (scope, key, p.key.digest, p.message_id, p.at_ms)
            for (scope, key), p in asked.items()
            if p.key
        ]
        claimed = {tuple(row) for row in await db.fetch(_CLAIM_KEYS, *_columns(rows))}
        others = [at for at in asked if at not in claimed]
        known: Results = {}
        if others:
            for scope, key, digest, ref in await db.fetch(_KNOWN_KEYS, *_columns(others)):
                known[scope, key] = (digest, await self._read_back(ref))
        return claimed, known

    async def _read_back(self, message_id: str) -> Posted | None:
        return await self._database.read(lambda connection: stored(connection, message_id))


async def _drive(db: Any, queries: Queries) -> Any:
    """Run generated statements on the driver's connection."""
    try:
        sql, values = next(queries)
        while True:
            sql, values = queries.send([tuple(row) for row in await db.fetch(sql, *values)])
    except StopIteration as done:
        return done.value


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


async def _rooms(db: Any, ids: list[str], wait: bool) -> tuple[dict[str, RoomState], set[str]]:
    """The rooms this transaction has locked, and those that others hold."""
    found = await db.fetch(_LOCK if wait else f"{_LOCK} SKIP LOCKED", ids)
    missed = sorted(set(ids) - {row["id"] for row in found})
    held = {row["id"] for row in await db.fetch(_EXIST, missed)} if missed else set()
    asked = [i for i in ids if i.startswith("sess_")]
    sessions = {s: (a, b) for s, a, b in await db.fetch(_SESSIONS, asked)} if asked else {}
    states = {
        room: RoomState(head, acl, closed(archived, sessions.get(room)))
        for room, head, acl, archived in found
    }
    return states, held


async def _roots(db: Any, posts: Sequence[NewPost]) -> dict[str, RootState]:
    asked = sorted({p.thread_id for p in posts if p.thread_id})
    if not asked:
        return {}
    return {i: RootState(room, thread) for i, room, thread in await db.fetch(_ROOTS, asked)}


async def _causes(db: Any, posts: Sequence[NewPost]) -> dict[tuple[str, str], Cause]:
    """Where AI authors stand who post by their own key: a hop past who addressed them last."""
    found: dict[tuple[str, str], Cause] = {}
    for post in posts:
        if not post.author.is_ai:
            continue
        at = (post.room_id, post.author.id)
        if called := await db.fetchrow(_CAUSE, *at):
            found[at] = Cause(*called)
        elif human := await db.fetchrow(_HUMAN, post.room_id):
            found[at] = Cause(1, human[0])
        else:
            found[at] = Cause(1, post.message_id)
    return found


async def _write(db: Any, posts: Sequence[NewPost], done: Plan) -> None:
    tenants = {post.message_id: post.tenant_id for post in posts}
    rows = [
        (m.id, m.room_id, m.seq, tenants[m.id], m.thread_id, m.author.id, m.content,
         json_text(list(m.mention)) if m.mention else None, m.created_ms, m.client_id, cause.depth,
         cause.root_message_id)
        for m, cause in done.messages
    ]  # fmt: skip
    entries = [(e.room_id, e.seq, e.type, e.at_ms, e.ref, json_text(e.data)) for e in done.entries]
    heads = sorted(done.heads.items())
    await db.execute(_STORE, *_columns(rows), *_columns(entries), *_columns(heads))
    if done.runs:
        await db.executemany(_RUNS, [run_row(run) for run in done.runs])
    await _drive(db, write_effects(done.effects, done.messages[-1][0].created_ms))
    if done.replies:
        replies = [(root, n, at) for root, (n, at) in sorted(done.replies.items())]
        await db.execute(_THREADS, *_columns(replies))
    counts = Counter(m.room_id for m, _ in done.messages if m.room_id.startswith("sess_"))
    if counts:
        at = done.messages[-1][0].created_ms
        await db.execute(_COUNTS, *_columns(sorted(counts.items())), at)
