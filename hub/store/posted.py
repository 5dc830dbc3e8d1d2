"""What both ways to commit posts share: why a room takes none, and results read back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from hub.core.errors import Conflict, HubError, missing
from hub.core.posts import NewPost, Posted, RootState, Verdict, cause_of, session_closed, triggers
from hub.core.triggers import Call, Cause, lane_of
from hub.core.values import Run
from hub.store import rows
from hub.store.queries import json_text
from hub.store.schema import messages, runs

RUN_COLUMNS = (
    "id", "tenant_id", "room_id", "participant_id", "trigger_message_id", "generation",
    "thread_id", "lane", "state", "reason", "attempt", "depth", "root_message_id",
    "reply_message_id", "params", "created_ms", "finished_ms", "caller_id", "warning",
)  # fmt: skip
HUMAN_AMONG = 1_000
"""The room's last human message is looked for among so many of its newest: where machines alone
speak, a post must not read the whole room."""
INSERT_RUN = f"""INSERT INTO runs ({", ".join(RUN_COLUMNS)})
    VALUES ({", ".join(f"${i}" for i in range(1, len(RUN_COLUMNS) + 1))})"""


async def in_halves(
    commit: Callable[[Sequence[NewPost]], Awaitable[list[Verdict]]], posts: Sequence[NewPost]
) -> list[Verdict]:
    """Each half of a batch in a transaction of its own. When the second cannot be stored the first
    is: each is told what became of it."""
    half = len(posts) // 2
    first = await commit(posts[:half])
    try:
        return first + await commit(posts[half:])
    except HubError as error:
        return first + [error] * (len(posts) - half)


def calls_of(
    posts: Sequence[NewPost],
    roots: Mapping[str, RootState],
    causes: Mapping[tuple[str, str], Cause],
) -> list[Call]:
    """The posts that may start or resume a run, with their threads."""
    return [
        post.call(_root(post.thread_id, roots), cause_of(post, causes))
        for post in posts
        if triggers(post)
    ]


def _root(thread_id: str | None, roots: Mapping[str, RootState]) -> str | None:
    known = roots.get(thread_id) if thread_id else None
    return (known.thread_id or thread_id) if known else thread_id


def closed(archived_ms: int | None, session: tuple[str, int | None] | None) -> HubError | None:
    """Why a room takes no posts; `session` is the status and deletion time of one."""
    if session is not None:
        status, deleted_ms = session
        if deleted_ms is not None:
            return missing("session")
        if status == "closed":
            return session_closed()
    if archived_ms is not None:
        return Conflict("the room is archived; restore it to post", code="ROOM_ARCHIVED")
    return None


def stored(connection: Connection, message_id: str) -> Posted | None:
    """The result of the request that stored this message, read back; None when it was erased."""
    row = connection.execute(rows.select_messages().where(messages.c.id == message_id)).first()
    if row is None:
        return None
    message = rows.message_of(row)
    found = connection.execute(
        rows.select_runs().where(runs.c.trigger_message_id == message_id).order_by(runs.c.id)
    )
    runs_of = tuple(rows.run_of(run) for run in found)
    return Posted(message.id, message.room_id, message.seq, message, runs_of)


def run_row(run: Run) -> tuple[Any, ...]:
    """The values of `RUN_COLUMNS`."""
    lane = lane_of(run.room_id, run.thread_id, run.participant_id)
    return (
        run.id, run.tenant_id, run.room_id, run.participant_id, run.trigger_message_id,
        run.generation, run.thread_id, lane, run.state, run.reason, run.attempt, run.depth,
        run.root_message_id, run.reply_message_id, json_text(run.params), run.created_ms,
        run.finished_ms, run.caller_id, json_text(run.warning),
    )  # fmt: skip
