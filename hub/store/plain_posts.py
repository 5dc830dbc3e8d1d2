"""A batch of plain posts on SQLite, stored by one statement that is a transaction of its own.

At each step of a statement the driver lets go of Python's lock, and to get it back from a busy loop
takes longer than the step. So SQLite reads the rooms, asks in the midst of it what to write, and
writes that through a trigger: what is decided is decided by `plan`, as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from hub.core.governor import Limits
from hub.core.posts import Known, NewPost, Plan, RoomState, Verdict, plan, rooms_of, triggers
from hub.store.database import sqlite_driver
from hub.store.posted import closed
from hub.store.queries import each_text, json_text

_COLUMNS: Final = (
    "id", "room_id", "seq", "tenant_id", "author_id", "content", "mention", "created_ms",
    "client_id", "depth", "root_message_id", "ends", "scope", "key", "digest",
)  # fmt: skip
_VIEW: Final = f"""CREATE TEMP VIEW IF NOT EXISTS plain_posts AS
    SELECT {", ".join(f"NULL AS {name}" for name in _COLUMNS)}"""
_TRIGGER: Final = """CREATE TEMP TRIGGER IF NOT EXISTS store_plain_posts
    INSTEAD OF INSERT ON plain_posts BEGIN
    INSERT INTO idempotency (scope, key, digest, ref, created_ms)
        SELECT NEW.scope, NEW.key, NEW.digest, NEW.id, NEW.created_ms WHERE NEW.key IS NOT NULL;
    INSERT INTO messages (id, room_id, seq, tenant_id, author_id, content, mention, created_ms,
        client_id, depth, root_message_id)
        VALUES (NEW.id, NEW.room_id, NEW.seq, NEW.tenant_id, NEW.author_id, NEW.content,
        NEW.mention, NEW.created_ms, NEW.client_id, NEW.depth, NEW.root_message_id);
    INSERT INTO events (room_id, seq, type, at_ms, ref)
        VALUES (NEW.room_id, NEW.seq, 'message.created', NEW.created_ms, NEW.id);
    UPDATE rooms SET head = NEW.seq WHERE NEW.ends AND id = NEW.room_id;
    END"""
_STORE: Final = f"""INSERT INTO plain_posts
    SELECT {", ".join(f"value ->> {i}" for i in range(len(_COLUMNS)))}
    FROM json_each(hub_plan(
        (SELECT json_group_array(json_array(id, head, acl_version, archived_ms))
            FROM rooms WHERE id IN (SELECT value FROM json_each(?))),
        (SELECT count(*) FROM json_each(?) j JOIN idempotency i
            ON i.scope = j.value ->> 0 AND i.key = j.value ->> 1)))"""


def is_plain(post: NewPost) -> bool:
    """Whether nothing but its room and its key decides what becomes of a post: a person's, in no
    thread and no session, to nobody who answers."""
    ordinary = not post.author.is_ai and not post.room_id.startswith("sess_")
    return ordinary and not triggers(post)


class PlainPosts:
    """The statement, on the connection of the one thread that writes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._posts: Sequence[NewPost] = ()
        self._done: Plan | None = None
        self._fault: Exception | None = None

    def prepare(self, connection: Connection) -> None:
        """What the statement needs of its connection; nothing of it is in the file."""
        raw = _driver_of(connection)
        raw.create_function("hub_plan", 2, self._plan)
        raw.execute(_VIEW)
        raw.execute(_TRIGGER)

    def store(self, connection: Connection, posts: Sequence[NewPost]) -> list[Verdict] | None:
        """As `PostStore.commit`; None, with nothing stored, when one of them was posted before."""
        self._posts = posts
        keys = [(post.key.scope, post.key.key) for post in posts if post.key]
        try:
            _driver_of(connection).execute(_STORE, (each_text(rooms_of(posts)), each_text(keys)))
        except sqlite_driver.OperationalError:
            if self._fault is not None:
                raise self._fault from None
            raise
        finally:
            done, self._posts, self._done, self._fault = self._done, (), None, None
        return None if done is None else [*done.outcomes]

    def _plan(self, rooms: str, known_keys: int) -> str:
        """What SQLite asks within the statement; what it raises is raised once more outside."""
        if known_keys:
            return "[]"
        try:
            states = {
                room: RoomState(head, acl, closed(archived, None))
                for room, head, acl, archived in orjson.loads(rooms)
            }
            self._done = plan(self._posts, Known(states), self._limits)
            return each_text(_rows(self._done))
        except Exception as error:
            self._fault = error
            raise


def _rows(done: Plan) -> list[tuple[Any, ...]]:
    """The values of `_COLUMNS`."""
    keys = {ref: (key.scope, key.key, key.digest) for key, ref, _ in done.keys}
    none = (None, None, None)
    return [
        (m.id, m.room_id, m.seq, m.tenant_id, m.author.id, m.content, json_text(m.mention or None),
         m.created_ms, m.client_id, cause.depth, cause.root_message_id,
         done.heads[m.room_id] == m.seq, *keys.get(m.id, none))
        for m, cause in done.messages
    ]  # fmt: skip


def _driver_of(connection: Connection) -> Any:
    return connection.connection.driver_connection
