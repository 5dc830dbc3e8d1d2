"""A batch of posts, planned: who gets which seq, who is answered from an earlier request.

Pure, so that SQLite and PostgreSQL agree: a store reads the rooms, the keys and the thread roots
under its locks, `plan` decides, the store writes the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hub.core.errors import (
    Conflict,
    FieldError,
    HubError,
    Limited,
    ModelUnavailable,
    missing,
    reused_key,
)
from hub.core.governor import Budget, Limits
from hub.core.triggers import Call, Cause, Effects, Ground, Summons, decide, occupied, refused
from hub.core.values import Author, Json, Message, Run


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What makes a retry the same request: its scope, the client's key, the body's digest."""

    scope: str
    key: str
    digest: str


class NewPost(NamedTuple):
    """A post that was authorised as of `acl_version`; ids and time are already given.

    `summons` are asked to answer; `calls` are the AI participants it mentions, driven or not.
    `budget` is the room's.
    """

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
    calls: tuple[str, ...] = ()
    budget: Budget | None = None

    def call(self, root: str | None, cause: Cause) -> Call:
        """The post as what decides which runs it starts."""
        return Call(
            self.tenant_id, self.room_id, self.message_id, root, self.author.id, self.at_ms,
            cause, self.summons, self.calls, self.budget,
        )  # fmt: skip


class RoomState(NamedTuple):
    """A room's counter row, read under its lock."""

    head: int
    acl_version: int
    closed: HubError | None


@dataclass(frozen=True, slots=True)
class RootState:
    """A message named as thread root: where it is and the root it points at itself."""

    room_id: str
    thread_id: str | None


class LogEntry(NamedTuple):
    """One row of the log: `ref` names the row it is about, `data` what has no row of its own."""

    room_id: str
    seq: int
    type: str
    at_ms: int
    ref: str
    data: Json | None = None


LogRow = tuple[LogEntry, Message | None]
"""An entry with the message it points at, when it is about one."""


class Posted(NamedTuple):
    """A stored post and the rows of the log it made; none when it is `replayed`, that is, an
    earlier request with the same key stored it. `woken` are the runs to be worked now, `cut` those
    that it interrupts."""

    message_id: str
    room_id: str
    seq: int
    message: Message
    runs: tuple[Run, ...] = ()
    rows: tuple[LogRow, ...] = ()
    replayed: bool = False
    woken: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


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
    effects: Effects = field(default_factory=Effects)


@dataclass(frozen=True, slots=True)
class Known:
    """What a store read under its locks to plan a batch. `keys` maps (scope, key) to the digest
    and result stored before; `causes` maps (room, AI author) to where its own posts stand."""

    rooms: Mapping[str, RoomState]
    keys: Mapping[tuple[str, str], tuple[str, Posted | None]] = field(default_factory=dict)
    roots: Mapping[str, RootState] = field(default_factory=dict)
    causes: Mapping[tuple[str, str], Cause] = field(default_factory=dict)
    ground: Ground = field(default_factory=Ground)


def plan(posts: Sequence[NewPost], known: Known, limits: Limits) -> Plan:
    """Decide a batch in order."""
    done = Plan()
    keys = dict(known.keys)
    for post in posts:
        outcome = _decide(post, known, keys, limits, done)
        done.outcomes.append(outcome)
        if post.key and isinstance(outcome, Posted) and not outcome.replayed:
            keys[post.key.scope, post.key.key] = (post.key.digest, outcome)
    return done


def _decide(
    post: NewPost,
    known: Known,
    keys: Mapping[tuple[str, str], tuple[str, Posted | None]],
    limits: Limits,
    done: Plan,
) -> Outcome:
    if post.key and (stored := keys.get((post.key.scope, post.key.key))):
        return _replay(post.key, stored)
    room = known.rooms.get(post.room_id)
    if room is None:
        return missing("room")
    if room.closed:
        return room.closed
    if room.acl_version != post.acl_version:
        return StaleAccess()
    root = post.thread_id
    if root is not None:
        state = known.roots.get(root)
        if state is None or state.room_id != post.room_id:
            return missing("message")
        root = state.thread_id or root
    cause = cause_of(post, known.causes, done.effects)
    if not triggers(post):
        return _write(post, root, cause, (), room, done)
    call, effects = post.call(root, cause), done.effects
    before = len(effects.interrupted), len(effects.idle)
    if why := refused(call, known.ground, limits):
        return Limited(f"this may not be said to another AI participant: {why}")
    if occupied(call, known.ground):
        return session_busy()
    runs = decide(call, known.ground, effects, limits)
    posted = _write(post, root, cause, runs, room, done)
    cut, idle = effects.interrupted[before[0] :], effects.idle[before[1] :]
    return posted._replace(cut=tuple(cut), woken=(*posted.woken, *idle)) if cut else posted


def session_busy() -> Conflict:
    """Why a session takes nothing new at the moment."""
    return Conflict(
        "a reply is being written in this session; wait for it or cancel it", code="SESSION_BUSY"
    )


def session_unanswered(model: str) -> ModelUnavailable:
    """Why nothing is asked in a session: neither its model nor a person would answer."""
    return ModelUnavailable(
        f"{model} is out of use; ask for a person (…/escalate), or begin another session"
    )


def session_closed(room_id: str | None = None) -> Conflict:
    """Why a session takes no messages any more; `room_id` is the room it became, if it did."""
    why = "set its status to active" if room_id is None else f"it became {room_id}, go on there"
    return Conflict(f"the session is closed; {why}", code="SESSION_CLOSED")


def session_taken(handler: str) -> Conflict:
    """Why a model is not asked, or a session not taken over: a person has it."""
    return Conflict(
        f"{handler} has taken this session over",
        code="SESSION_TAKEN",
        details=(FieldError("handler", handler),),
    )


def triggers(post: NewPost) -> bool:
    """Whether a post can start or resume a run; most cannot, and cost nothing here."""
    return bool(post.summons or post.calls or post.thread_id)


def cause_of(
    post: NewPost, causes: Mapping[tuple[str, str], Cause], effects: Effects | None = None
) -> Cause:
    """Where a post stands: a person's is the beginning; an AI's own is one hop past the message
    that addressed it last, be that of the same batch."""
    if not post.author.is_ai:
        return Cause(0, post.message_id)
    here = (post.room_id, post.author.id)
    if effects and (addressed := effects.addressed.get(here)):
        return Cause(addressed[1].depth + 1, addressed[1].root_message_id)
    return causes.get(here) or Cause(1, post.message_id)


def _replay(key: RequestKey, stored: tuple[str, Posted | None]) -> Outcome:
    digest, result = stored
    if digest != key.digest:
        return reused_key()
    if result is None:
        return missing("message")
    return result._replace(rows=(), woken=(), cut=(), replayed=True)


def _write(
    post: NewPost,
    root: str | None,
    cause: Cause,
    runs: tuple[Run, ...],
    room: RoomState,
    done: Plan,
) -> Posted:
    seq = done.heads.get(post.room_id, room.head) + 1
    message = Message(
        post.message_id, post.room_id, seq, root, post.author, post.content, post.mention,
        post.at_ms, post.client_id, tenant_id=post.tenant_id,
        root_message_id=cause.root_message_id,
    )  # fmt: skip
    rows: tuple[LogRow, ...] = (
        (LogEntry(post.room_id, seq, "message.created", post.at_ms, message.id), message),
    )
    changed = _changed(post, runs, done.effects)
    if changed:
        rows += tuple((entry, None) for entry in run_entries(changed, seq + 1, post.at_ms))
    done.messages.append((message, cause))
    done.entries.extend([entry for entry, _ in rows])
    done.runs.extend(runs)
    done.heads[post.room_id] = seq + len(changed)
    if root is not None:
        count, _ = done.replies.get(root, (0, 0))
        done.replies[root] = (count + 1, post.at_ms)
    if post.key:
        done.keys.append((post.key, message.id, post.at_ms))
    return Posted(
        message.id, post.room_id, seq, message, runs, rows,
        woken=tuple([run.id for run in changed if run.state == "queued"]),
    )  # fmt: skip


def _changed(post: NewPost, runs: tuple[Run, ...], effects: Effects) -> tuple[Run, ...]:
    """The runs that a post resumed, started and held back."""
    if not effects.resumed:
        return runs
    return (*(run for run in effects.resumed if run.answer_id == post.message_id), *runs)


def run_entries(runs: Sequence[Run], first_seq: int, at_ms: int) -> list[LogEntry]:
    """The log entries of runs that were queued or held back."""
    return [
        LogEntry(run.room_id, seq, kind, at_ms, ref, data)
        for seq, run in enumerate(runs, first_seq)
        for kind, ref, data in [decided_event(run)]
    ]


def decided_event(run: Run) -> tuple[str, str, Json]:
    """Type, reference and data of the event that tells of a run as it was just decided."""
    kind = "run.queued" if run.state == "queued" else "run.finished"
    return kind, run.id, run_event(run, run.warning)


def run_event(run: Run, warning: Json | None = None) -> Json:
    """The data of `run.queued`, `run.waiting` and `run.finished`; a `warning` is told by the event
    that brings it alone."""
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
        "warning": warning,
    }


def rooms_of(posts: Iterable[NewPost]) -> list[str]:
    """The rooms of a batch in lock order."""
    return sorted({post.room_id for post in posts})
