"""A batch of posts, planned: who gets which seq, who is answered from an earlier request.

Pure, so that SQLite and PostgreSQL agree: a store reads the rooms, the keys and the thread roots
under its locks, `plan` decides, the store writes the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hub.core.errors import Conflict, HubError, missing
from hub.core.governor import held_back
from hub.core.values import Author, Json, Message, Run


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What makes a retry the same request: its scope, the client's key, the body's digest."""

    scope: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class NewPost:
    """A post that was authorised as of `acl_version`; ids and time are already given."""

    tenant_id: str
    room_id: str
    acl_version: int
    message_id: str
    author: Author
    content: str
    at_ms: int
    mention: tuple[Json, ...] = ()
    thread_id: str | None = None
    client_id: str | None = None
    key: RequestKey | None = None
    summons: tuple[Summons, ...] = ()


@dataclass(frozen=True, slots=True)
class Summons:
    """An AI participant this post asks to answer, with the ids its run and reply will have."""

    participant_id: str
    run_id: str
    reply_message_id: str
    params: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RoomState:
    """A room's counter row, read under its lock."""

    head: int
    acl_version: int
    closed: HubError | None


@dataclass(frozen=True, slots=True)
class RootState:
    """A message named as thread root: where it is and the root it points at itself."""

    room_id: str
    thread_id: str | None


@dataclass(frozen=True, slots=True)
class Cause:
    """Where an AI author's own post stands in the chain since a human spoke."""

    depth: int
    root_message_id: str


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One row of the log: `ref` names the row it is about, `data` what has no row of its own."""

    room_id: str
    seq: int
    type: str
    at_ms: int
    ref: str
    data: Json | None = None


LogRow = tuple[LogEntry, Message | None]
"""An entry with the message it points at, when it is about one."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A stored post and the rows of the log it made; none when it is `replayed`, that is, an
    earlier request with the same key stored it."""

    message_id: str
    room_id: str
    seq: int
    message: Message
    runs: tuple[Run, ...] = ()
    rows: tuple[LogRow, ...] = ()
    replayed: bool = False


class StaleAccess(Exception):
    """The room's members changed after the post was authorised: authorise it again."""


class Deferred(Exception):
    """Another transaction holds the room: try the post again with the next batch."""


Outcome = Posted | HubError | StaleAccess
Verdict = Outcome | Deferred


@dataclass(slots=True)
class Plan:
    """The rows to write and, post by post, the outcome to report once they are committed."""

    outcomes: list[Outcome] = field(default_factory=list)
    messages: list[tuple[Message, Cause]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    entries: list[LogEntry] = field(default_factory=list)
    keys: list[tuple[RequestKey, str, int]] = field(default_factory=list)
    heads: dict[str, int] = field(default_factory=dict)
    replies: dict[str, tuple[int, int]] = field(default_factory=dict)


def plan(
    posts: Sequence[NewPost],
    rooms: Mapping[str, RoomState],
    keys: Mapping[tuple[str, str], tuple[str, Posted | None]],
    roots: Mapping[str, RootState],
    causes: Mapping[tuple[str, str], Cause],
) -> Plan:
    """Decide a batch in order. `keys` maps (scope, key) to the digest and result stored before;
    `causes` maps (room, AI author) to where that author's own posts stand."""
    done = Plan()
    known = dict(keys)
    for post in posts:
        outcome = _decide(post, rooms, known, roots, causes, done)
        done.outcomes.append(outcome)
        if post.key and isinstance(outcome, Posted) and not outcome.replayed:
            known[post.key.scope, post.key.key] = (post.key.digest, outcome)
    return done


def _decide(
    post: NewPost,
    rooms: Mapping[str, RoomState],
    keys: Mapping[tuple[str, str], tuple[str, Posted | None]],
    roots: Mapping[str, RootState],
    causes: Mapping[tuple[str, str], Cause],
    done: Plan,
) -> Outcome:
    if post.key and (stored := keys.get((post.key.scope, post.key.key))):
        return _replay(post.key, stored)
    room = rooms.get(post.room_id)
    if room is None:
        return missing("room")
    if room.closed:
        return room.closed
    if room.acl_version != post.acl_version:
        return StaleAccess()
    root = post.thread_id
    if root is not None:
        known = roots.get(root)
        if known is None or known.room_id != post.room_id:
            return missing("message")
        root = known.thread_id or root
    cause = causes.get((post.room_id, post.author.id)) or Cause(0, post.message_id)
    return _write(post, root, cause, room, done)


def _replay(key: RequestKey, stored: tuple[str, Posted | None]) -> Outcome:
    digest, result = stored
    if digest != key.digest:
        return Conflict(
            "this key was used before with another request body; use a new key",
            code="IDEMPOTENCY_CONFLICT",
        )
    if result is None:
        return missing("message")
    return replace(result, rows=(), replayed=True)


def _write(post: NewPost, root: str | None, cause: Cause, room: RoomState, done: Plan) -> Posted:
    seq = done.heads.get(post.room_id, room.head) + 1
    message = Message(
        id=post.message_id, room_id=post.room_id, seq=seq, thread_id=root, author=post.author,
        content=post.content, mention=post.mention, created_ms=post.at_ms,
        client_id=post.client_id,
    )  # fmt: skip
    rows: list[LogRow] = [
        (LogEntry(post.room_id, seq, "message.created", post.at_ms, message.id), message)
    ]
    runs = tuple([_run(post, summons, root, cause) for summons in post.summons])
    for run in runs:
        seq += 1
        kind = "run.queued" if run.state == "queued" else "run.finished"
        entry = LogEntry(post.room_id, seq, kind, post.at_ms, run.id, run_event(run))
        rows.append((entry, None))
    done.messages.append((message, cause))
    done.entries.extend([entry for entry, _ in rows])
    done.runs.extend(runs)
    done.heads[post.room_id] = seq
    if root is not None:
        count, _ = done.replies.get(root, (0, 0))
        done.replies[root] = (count + 1, post.at_ms)
    if post.key:
        done.keys.append((post.key, message.id, post.at_ms))
    return Posted(message.id, post.room_id, message.seq, message, runs, tuple(rows))


def _run(post: NewPost, summons: Summons, root: str | None, cause: Cause) -> Run:
    depth = cause.depth + 1
    reason = held_back(depth)
    return Run(
        id=summons.run_id, tenant_id=post.tenant_id, room_id=post.room_id,
        participant_id=summons.participant_id, trigger_message_id=post.message_id, generation=0,
        thread_id=root or post.message_id, state="suppressed" if reason else "queued",
        reason=reason, attempt=0, depth=depth, root_message_id=cause.root_message_id,
        reply_message_id=summons.reply_message_id, created_ms=post.at_ms,
        finished_ms=post.at_ms if reason else None, params=summons.params,
    )  # fmt: skip


def run_event(run: Run) -> Json:
    """The data of `run.queued`, `run.waiting` and `run.finished`."""
    return {
        "run_id": run.id,
        "participant": run.as_dict()["participant"],
        "trigger_message_id": run.trigger_message_id,
        "thread_id": run.thread_id,
        "message_id": run.reply_message_id,
        "state": run.state,
        "reason": run.reason,
        "attempt": run.attempt,
        "error": run.error,
    }


def rooms_of(posts: Iterable[NewPost]) -> list[str]:
    """The rooms of a batch in lock order."""
    return sorted({post.room_id for post in posts})
