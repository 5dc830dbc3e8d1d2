"""Sessions and messages by the thousand, written into a database at rest."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from hub.core.ids import ulid

AT_MS: Final = 1_700_000_000_000
TENANT: Final = "default"
MODEL: Final = "builtin/echo"
PERSONA: Final = "persona_poolnoodle"
CLOSED_EVERY: Final = 17


def add_sessions(database: Path, owner: str, count: int) -> None:
    """Sessions of one owner; a few of them are closed."""
    ids = [f"sess_{ulid(AT_MS + n, n)}" for n in range(count)]
    with sqlite3.connect(database) as db:
        _add(db, owner, ids, [n % CLOSED_EVERY == 7 for n in range(count)])


def add_messages(database: Path, owner: str, count: int, repeated: int = 20) -> None:
    """One session, `sess_long`, with so many messages, each its words `repeated` so often."""
    rows = [
        (f"msg_{ulid(AT_MS + n, n)}", "sess_long", n, TENANT, owner if n % 2 else PERSONA,
         f"message {n} " * repeated, AT_MS + n, 0, f"msg_{n}")
        for n in range(1, count + 1)
    ]  # fmt: skip
    with sqlite3.connect(database) as db:
        _add(db, owner, ["sess_long"], [False])
        db.executemany(
            "INSERT INTO messages (id, room_id, seq, tenant_id, author_id, content, created_ms,"
            " depth, root_message_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        db.execute("UPDATE rooms SET head = ? WHERE id = 'sess_long'", (count,))


def _add(db: sqlite3.Connection, owner: str, ids: list[str], closed: list[bool]) -> None:
    db.executemany(
        "INSERT INTO rooms (id, tenant_id, kind, name, description, private, created_ms,"
        " created_by, head, first_seq, epoch, acl_version, settings)"
        " VALUES (?, ?, 'session', 't', '', 1, ?, ?, 0, 1, 'e', 1, '{}')",
        [(session_id, TENANT, AT_MS, owner) for session_id in ids],
    )
    db.executemany(
        "INSERT INTO sessions (id, tenant_id, owner, participant_id, model, title, metadata,"
        " status, handling, message_count, created_ms, updated_ms)"
        " VALUES (?, ?, ?, ?, ?, 't', '{}', ?, 'ai', 0, ?, ?)",
        [
            (each, TENANT, owner, PERSONA, MODEL, "closed" if shut else "active", AT_MS, AT_MS)
            for each, shut in zip(ids, closed, strict=True)
        ],
    )
    db.executemany(
        "INSERT INTO members (room_id, tenant_id, participant_id, role, engagement, joined_ms)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (each, TENANT, who, role, engagement, AT_MS)
            for each in ids
            for who, role, engagement in (
                (owner, "owner", "mention"),
                (PERSONA, "member", "always"),
            )
        ],
    )
