"""What the use cases need of a database and a bus, and what they may rely on.

A store method that writes is one transaction: when it returns, all of it is stored (and synced to
disk), when it raises, nothing is. `Unavailable` is raised when the database is away. Every method
that takes a tenant finds only what belongs to it; a foreign id is a missing one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from hub.core.governor import Budget
from hub.core.models import StoredModel
from hub.core.posts import LogRow, NewPost, RequestKey, Verdict
from hub.core.times import rfc3339
from hub.core.touches import Touch, Unread
from hub.core.triggers import Summons
from hub.core.usage import Consumed, Consumer
from hub.core.values import (
    Actor,
    ApiKey,
    Draft,
    Json,
    Member,
    Message,
    Participant,
    Room,
    RoomView,
    Run,
    Session,
)
from hub.wire.packets import Packet


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: after (or before) an id or seq, at most `limit` items."""

    limit: int
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Where a room's log stands: `head` is its newest seq, `first_seq` the oldest kept."""

    head: int
    epoch: str
    first_seq: int


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which object; never message text, never secrets."""

    id: str
    actor: Actor
    action: str
    object_id: str
    at_ms: int
    detail: Json


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An entry of the audit log as it is read."""

    id: str
    at_ms: int
    actor_id: str
    key_id: str
    action: str
    object_id: str
    detail: Json

    def as_dict(self) -> Json:
        return {
            "id": self.id, "at": rfc3339(self.at_ms), "actor_id": self.actor_id,
            "key_id": self.key_id, "action": self.action, "object_id": self.object_id,
            "detail": self.detail,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Search:
    """Which messages to find: all of `words` in them, in one room or in those of a member. Those
    with an id below `below_id` go on where a page ended."""

    tenant_id: str
    member_id: str
    words: tuple[str, ...]
    limit: int
    room_id: str | None = None
    author_id: str | None = None
    before_ms: int | None = None
    after_ms: int | None = None
    below_id: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: its log entries to publish, and the id an earlier same request made."""

    entries: tuple[LogRow, ...] = ()
    earlier: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """How a run ends. `text` None ends it without a message. The message may speak to others:
    `mention` and `calls` as in a post, `summons` whom it asks to answer. With an `escalation` its
    session waits for a person."""

    state: str
    text: str | None
    at_ms: int
    status: str = "final"
    reason: str | None = None
    finish_reason: str | None = None
    usage: Json | None = None
    context: Json | None = None
    error: Json | None = None
    first_delta_ms: int | None = None
    mention: tuple[Json, ...] = ()
    calls: tuple[str, ...] = ()
    summons: tuple[Summons, ...] = ()
    escalation: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A run that waits, for a `person`, an `answer` from outside or a `socket`, for `wait_ms`. A
    `question` becomes a message of the thread with the id `message_id`."""

    awaits: str
    wait_ms: int
    at_ms: int
    reason: str
    memory: Json
    question: str | None = None
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended, or moved: what to publish, the runs to work now (who waited behind it in
    its lane, whom its message called), and those to be cut short."""

    run: Run
    entries: tuple[LogRow, ...]
    woken: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


Drafts = Mapping[str, tuple[int, str]]
"""The text that is being written, with its attempt, by run."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A session as it is now, what to publish, the runs to be worked and those to be cut short."""

    session: Session
    entries: tuple[LogRow, ...] = ()
    woken: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Promotion:
    """The room a session becomes, with its members. `model_id` is who was the session's model;
    a `persona` of that id is new."""

    room: Room
    members: tuple[Member, ...]
    model_id: str
    persona: Participant | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """The last message said anew, and the run that answers it."""

    message_id: str
    content: str
    run: Run
    at_ms: int


@dataclass(frozen=True, slots=True)
class Edited:
    """The message as it is now, its run unless a person answers, what to publish."""

    message: Message
    run: Run | None
    entries: tuple[LogRow, ...]


class PostWriter(Protocol):
    async def commit(self, posts: Sequence[NewPost], *, wait: bool = False) -> list[Verdict]:
        """Store a batch in one transaction; one outcome per post, in order.

        Seqs are dense per room and follow the order of the batch. A post that is refused takes no
        seq and does not disturb the others. Posts to a room that another transaction holds come
        back Deferred, all of that room's, unless told to `wait`. Raises OUTCOME_UNKNOWN when the
        batch may or may not be stored.
        """


class PostStore(PostWriter, Protocol):
    async def preview(self, post: NewPost) -> Verdict:
        """What would come of a post now; it is not stored."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A room's head and the ids of its runs that are not ended, of one moment."""

    head: Head
    open_runs: tuple[str, ...]


class LogStore(Protocol):
    async def read(self, room_id: str, after: int, limit: int) -> list[LogRow]:
        """Entries with seq > `after` in order, messages rendered as they are now."""

    async def heads(self, room_ids: Sequence[str]) -> dict[str, Head]:
        """Where these rooms stand; a missing room is left out."""

    async def standing(self, room_id: str) -> Standing | None:
        """Where a room stands and which of its runs are open; None for a missing room."""

    async def renew(self, room_id: str, known: str, epoch: str) -> bool:
        """Give every room this epoch if the one named still has the epoch `known`: the database
        was restored, and no cursor from before may fit. False when somebody else was first."""

    async def renew_all(self, epoch: str) -> int:
        """Give every room this epoch; returns how many there are."""


class RoomStore(Protocol):
    async def create(
        self, room: Room, members: Sequence[Member], key: RequestKey | None
    ) -> Written:
        """Store a room with its first members and a `member.joined` for each."""

    async def view(self, tenant_id: str, room_id: str, known_acl: int = -1) -> RoomView | None:
        """The room and its members; without the members when `acl_version` is `known_acl`."""

    async def page(self, tenant_id: str, member_id: str | None, page: Page) -> list[Room]:
        """Rooms newest first; with `member_id` those it is a member of, archived ones left out."""

    async def add_members(self, tenant_id: str, room_id: str, members: Sequence[Member]) -> Written:
        """Add who is not there yet; `acl_version` rises when anybody was added."""

    async def set_member(self, tenant_id: str, room_id: str, member: Member, at_ms: int) -> Written:
        """Change the role and engagement of a member who is there, and has been since it joined."""

    async def remove_member(
        self, tenant_id: str, room_id: str, participant_id: str, at_ms: int
    ) -> Written: ...

    async def update(
        self, tenant_id: str, room_id: str, changes: Json, actor: Actor, at_ms: int
    ) -> Written:
        """Set `name`, `description`, `settings` or `archived_ms`."""


class MessageStore(Protocol):
    async def get(self, tenant_id: str, room_id: str | None, message_id: str) -> Message | None:
        """A message of the tenant; of this room, unless `room_id` is None."""

    async def edit(self, touch: Touch, content: str) -> Written:
        """Replace the text; its `message.updated`. MESSAGE_NOT_FOUND once it is deleted.

        Like the others it raises StaleAccess when the room's members are no longer those of the
        touch, and what closes the room. What is so already is left, without an entry."""

    async def delete(self, touch: Touch, audit: AuditEntry | None = None) -> Written:
        """Erase the text, the mentions and the reactions; the message stays as a tombstone."""

    async def react(self, touch: Touch, emoji: str, *, present: bool) -> Written:
        """Set whether the toucher's reaction is there. At most `EMOJI_MOST` different ones."""

    async def page(
        self,
        room_id: str,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        deleted: bool = True,
    ) -> list[Message]:
        """Messages by seq: the oldest after `after` (and before `before`), else the newest before
        `before`; rising. Without those that were deleted, if so asked."""

    async def newest_of(
        self, room_id: str, author_id: str, after: int, limit: int
    ) -> list[Message]:
        """The newest of one author with seq > `after`, rising; without reactions."""

    async def thread(self, room_id: str, root_id: str, after: int, limit: int) -> list[Message]:
        """The root and its replies with seq > `after`, rising."""

    async def thread_end(self, room_id: str, root_id: str, limit: int) -> list[Message]:
        """The root and its newest replies, rising; `limit` in all."""


class ReadStore(Protocol):
    """How far members have read. A cursor only rises."""

    async def mark(
        self, tenant_id: str, participant_id: str, room_id: str, thread_id: str | None, seq: int
    ) -> bool:
        """Everything up to `seq` is read, of the room or of one thread; True when that is new."""

    async def unread(
        self, tenant_id: str, participant_id: str, room_ids: Sequence[str]
    ) -> dict[str, Unread]:
        """Others' messages beyond the cursors, among the newest 1,000 entries of each room's log;
        of a room that was never marked, those since one joined. Rooms one is in alone."""


class SearchStore(Protocol):
    async def find(self, search: Search) -> list[Message]:
        """Messages with all the words, whatever their case, newest first; deleted ones and those
        of deleted sessions left out."""


class AuditStore(Protocol):
    async def page(self, tenant_id: str, page: Page) -> list[AuditRecord]:
        """Newest first."""


class ParticipantStore(Protocol):
    async def create(self, participant: Participant, key: RequestKey | None) -> Written:
        """Raises ALREADY_EXISTS for an id or handle that is taken."""

    async def get(self, tenant_id: str, participant_id: str) -> Participant | None: ...

    async def find(self, tenant_id: str, ids: Sequence[str]) -> dict[str, Participant]: ...

    async def page(self, tenant_id: str, page: Page) -> list[Participant]: ...

    async def update(
        self, tenant_id: str, participant_id: str, changes: Json
    ) -> Participant | None: ...

    async def handles(self, tenant_id: str, handles: Sequence[str]) -> set[str]:
        """Which of these handles are taken."""

    async def personas(self, tenant_id: str, limit: int) -> list[Participant]:
        """Personas in use that a model drives, by id; not those that stand for a bare model in
        sessions."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key with the digest of its secret and the participant it speaks for."""

    key: ApiKey
    digest: str
    participant: Participant


class KeyStore(Protocol):
    async def create(
        self, key: ApiKey, digest: str, audit: AuditEntry | None, request: RequestKey | None
    ) -> Written: ...

    async def find(self, key_id: str) -> StoredKey | None: ...

    async def page(
        self, tenant_id: str, participant_id: str | None, page: Page
    ) -> list[ApiKey]: ...

    async def revoke(
        self, tenant_id: str, key_id: str, at_ms: int, audit: AuditEntry | None
    ) -> ApiKey | None: ...

    async def admins(self, tenant_id: str, now_ms: int) -> list[str]:
        """The participants who have a tenant_admin's key that is valid now."""


@dataclass(frozen=True, slots=True)
class AccessChange:
    """Something was taken away: a `key` was revoked, or somebody may no longer read a `room`."""

    number: int
    kind: str
    subject_id: str


class AccessChangeStore(Protocol):
    """Changes are numbered in the order in which they are committed: who has read up to a number
    has missed none before it, whatever the clocks say."""

    async def latest(self) -> int: ...

    async def after(self, number: int, limit: int) -> list[AccessChange]:
        """Changes with a higher number, rising."""


class SessionStore(Protocol):
    async def create(
        self, session: Session, room: Room, members: Sequence[Member], key: RequestKey | None
    ) -> Written: ...

    async def get(
        self, tenant_id: str, session_id: str, *, deleted: bool = False
    ) -> Session | None:
        """The session; one that was deleted only when asked for."""

    async def page(
        self, tenant_id: str, owner: str | None, status: str | None, page: Page
    ) -> list[Session]: ...

    async def waiting(self, tenant_id: str, owner: str | None, page: Page) -> list[Session]:
        """The sessions that wait for a person, the longest wait first; `page.after` is the last
        one's `waiting_ms:id`."""

    async def taken(self, tenant_id: str, handler: str, page: Page) -> list[Session]:
        """The active sessions in which a person answers, the newest first; `page.after` is the
        last one's id."""

    async def update(
        self, tenant_id: str, session_id: str, changes: Json, audit: AuditEntry
    ) -> Changed | None:
        """Change fields, and say so in the log. SESSION_CLOSED for opening one that became a
        room."""

    async def entitle(
        self, tenant_id: str, session_id: str, title: str, at_ms: int
    ) -> Changed | None:
        """Give a title to a session without one; None when it has one."""

    async def escalate(
        self, tenant_id: str, session_id: str, message: str | None, audit: AuditEntry
    ) -> Changed | None:
        """Let it wait for a person; one that waits, or has one, stays as it is."""

    async def take_over(
        self, tenant_id: str, session_id: str, agent: Member, drafts: Drafts, audit: AuditEntry
    ) -> Changed | None:
        """Let a person answer instead of the model, which is silent from this moment: what it was
        writing ends with what there is in `drafts`, and messages start no runs. Of several who
        take it one has it, the others get SESSION_TAKEN."""

    async def hand_back(
        self, tenant_id: str, session_id: str, note: str | None, audit: AuditEntry
    ) -> Changed | None:
        """Let the model answer again; one that has no person stays as it is."""

    async def promote(
        self, tenant_id: str, session_id: str, promotion: Promotion, audit: AuditEntry
    ) -> Changed | None:
        """Make it a room: what was said moves there and keeps its ids and seqs, and the session is
        closed. One that became a room before stays. SESSION_BUSY while a reply is written."""

    async def edit_last(self, tenant_id: str, session_id: str, edit: Edit) -> Edited | None:
        """Change the last message of the session's user, delete what was answered, ask anew. None
        for no such message of theirs, 422 for one that is not the last, SESSION_BUSY while a reply
        is written."""

    async def delete(self, tenant_id: str, session_id: str, audit: AuditEntry) -> Changed | None:
        """Hide the session, also as a room; what it held stays, and so does its audit trail."""

    async def erase(self, tenant_id: str, session_id: str, audit: AuditEntry) -> bool:
        """Delete the session, its messages, log and runs for good; its audit trail stays."""


class RunStore(Protocol):
    """Leases run on database time. `attempt` fences: what an older attempt writes is refused."""

    async def get(self, tenant_id: str, run_id: str) -> Run | None: ...

    async def of_message(self, message_id: str) -> list[Run]: ...

    async def open_in(self, room_id: str) -> list[Run]:
        """The runs of a room that are not ended."""

    async def page(self, room_id: str, page: Page) -> list[Run]:
        """The runs of a room, newest first."""

    async def claim(self, run_id: str, worker: str, lease_ms: int) -> Run | None:
        """Take the run and begin its next attempt; None when somebody holds it, it has ended, or
        another run of its lane goes first."""

    async def renew(self, run_id: str, attempt: int, lease_ms: int) -> Run | None:
        """Keep the lease; None when this attempt no longer holds the run. The run tells whether
        its end was asked for (`cancelled_by`)."""

    async def advance(self, run_id: str, attempt: int, lease_ms: int) -> Run | None:
        """Begin the next attempt in the hands of the same worker; None when fenced off."""

    async def peek(self, run_id: str) -> Run | None:
        """A run by its id alone: for workers, who serve every tenant."""

    async def remember(self, run_id: str, attempt: int, memory: Json) -> bool:
        """Keep what the driver must know later; False when fenced off."""

    async def pause(self, run_id: str, attempt: int, pause: Pause) -> Ended | None:
        """Let the run wait; None when fenced off. Past its time it can be claimed again."""

    async def finish(self, run_id: str, attempt: int, reply: Reply) -> Ended | None:
        """End the run and store its message in the same transaction; None when fenced off. A
        reply of a later generation takes the place of the earlier ones."""

    async def cancel(self, tenant_id: str, run_id: str, by: str, at_ms: int) -> list[Ended]:
        """Ask for the end of a run and of those that its reply called. Who is queued or waiting
        ends here; who is running is in the `cut` of the first, and ends by its worker. Who ended
        is `woken` once more, so that a worker ends what it had begun elsewhere."""

    async def end_cancelled(self, run_id: str, at_ms: int) -> Ended | None:
        """End a run whose end was asked for, if nobody works on it."""

    async def again(
        self, tenant_id: str, run_id: str, new: Run, key: RequestKey | None = None
    ) -> Ended | None:
        """Open the next generation of an ended run, with the ids and time of `new`; None when the
        run is open, or a later generation is there. Raises why nothing may be said in its room, or
        not by its model. A request of the same key changes nothing more and gets the run that the
        first has opened."""

    async def made_by(self, key: RequestKey) -> Run | None:
        """The run that a request of this key has opened; Conflict when it had another body."""

    async def take(
        self, tenant_id: str, participant_id: str, run_id: str, worker: str, lease_ms: int
    ) -> Run | None:
        """Begin the next attempt at a run that waits for this participant's own connection."""

    async def offered(self, tenant_id: str, participant_id: str) -> list[Run]:
        """The runs that wait for this participant's own connection."""

    async def due(self, grace_ms: int, limit: int) -> list[str]:
        """Runs to be woken: queued longer than `grace_ms`, running past their lease, waiting past
        their time, or to be cancelled; by turns of the tenants, and of each one's rooms."""

    async def usage(self, tenant_id: str, group_by: str, since_ms: int) -> list[Json]:
        """Runs, tokens and seconds of ended runs, by run, room, participant, model, day or tenant:
        rows of {key, runs, prompt_tokens, completion_tokens, seconds, cost}."""

    async def release_all(self) -> int:
        """End every lease: right only where no other worker can exist. Returns how many."""


class ModelStore(Protocol):
    async def of(self, tenant_id: str) -> list[StoredModel]:
        """A tenant's own models, by slug."""

    async def put(
        self,
        tenant_id: str,
        slug: str,
        make: Callable[[StoredModel | None], StoredModel],
        audit: AuditEntry,
        check: Callable[[list[StoredModel]], None],
    ) -> StoredModel:
        """Store what `make` makes of the model as it was; `check` is given the tenant's models as
        they are then. What either raises leaves everything as it was."""

    async def delete(
        self,
        tenant_id: str,
        slug: str,
        audit: AuditEntry,
        check: Callable[[list[StoredModel]], None],
    ) -> StoredModel | None:
        """Remove a model; `check` as above. None when there is none."""


class CompletionStore(Protocol):
    async def admit(self, tenant_id: str, at_ms: int, budget: Budget) -> str | None:
        """Count one more against the runs of the tenant's day, or say why the budget allows no
        further one."""

    async def add(self, used: Mapping[Consumer, Consumed]) -> None:
        """Add to the sums, and to what the tenants' budgets have spent."""

    async def usage(self, tenant_id: str, group_by: str, since_ms: int) -> list[Json]:
        """Sums by participant, model, key, day or tenant: rows of {key, completions,
        prompt_tokens, completion_tokens, seconds, cost}, from the hour of `since_ms`."""


class Catalogue(Protocol):
    """The models of every tenant as they are used."""

    async def knows(self, tenant_id: str, slug: str) -> bool:
        """Whether the tenant has a model of this name, its own or the operator's."""

    def operates(self, slug: str) -> bool:
        """Whether the slug is the operator's, for no tenant to map."""

    def check(self, models: Iterable[StoredModel], slug: str) -> None:
        """Raises Invalid when a tenant could not have these models, of which `slug` was just
        changed; Conflict when another of them needs what is gone."""

    def forget(self, tenant_id: str) -> None:
        """The tenant's models have just changed: read them anew."""


class Store(Protocol):
    """The database as the use cases see it."""

    @property
    def posts(self) -> PostStore: ...
    @property
    def log(self) -> LogStore: ...
    @property
    def rooms(self) -> RoomStore: ...
    @property
    def messages(self) -> MessageStore: ...
    @property
    def search(self) -> SearchStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def reading(self) -> ReadStore: ...
    @property
    def participants(self) -> ParticipantStore: ...
    @property
    def keys(self) -> KeyStore: ...
    @property
    def access_changes(self) -> AccessChangeStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def runs(self) -> RunStore: ...
    @property
    def models(self) -> ModelStore: ...
    @property
    def completions(self) -> CompletionStore: ...

    async def ping(self) -> None:
        """Raises Unavailable when the database does not answer."""


Hear = Callable[[str, Packet | None], None]
"""Called for each packet of a subscribed room, without awaiting; None for a packet means that the
room was subscribed anew: whatever was published meanwhile is lost, re-read its head."""


class Listener(Protocol):
    """The subscriptions of one gateway; goes on by itself after the bus was away."""

    @property
    def deaf(self) -> bool:
        """True while nothing can be heard."""

    async def subscribe(self, *room_ids: str) -> None:
        """Returns when the server has confirmed them all; raises Unavailable when it does not."""

    async def unsubscribe(self, room_id: str) -> None: ...


class LivesBus(Protocol):
    """Which processes live, on the clock of Redis."""

    async def note(self, room_ids: list[str]) -> None:
        """This process lives, and may have committed to these rooms what is not published yet."""

    async def orphans(self) -> dict[str, list[str]]:
        """What processes had noted that gave no sign of life for seconds, by process."""

    async def bye(self) -> None:
        """This process ends in peace: nothing of it is unpublished."""


class PresenceBus(Protocol):
    """Who is in which room, as every gateway says of itself, for as long as its lease lasts."""

    async def put(self, rooms: Mapping[str, Collection[str]], lease_ms: int) -> None:
        """Set who is in these rooms on this gateway; nobody takes it out of a room."""

    async def read(self, room_ids: Sequence[str]) -> dict[str, frozenset[str]]:
        """Who is in these rooms on any gateway whose lease lasts."""


class Bus(Protocol):
    """Redis: fan-out, wake-ups, drafts, tickets. May lose, repeat and reorder; never the truth."""

    async def publish(
        self,
        packets: Sequence[tuple[str, Packet]],
        runs: Sequence[str] = (),
        cut: Sequence[str] = (),
    ) -> None:
        """One PUBLISH per pair of room and packet in order, then one wake-up per run, and a word
        to all workers for each that is to be cut short. Tried once: raises Unavailable when the bus
        is away, and what was lost is repaired by readers."""

    async def watch_cuts(self, hear: Callable[[str], None]) -> None:
        """Call `hear` for each run to be cut short, until cancelled; Unavailable when the bus goes
        away. A word may be lost: the lease tells too."""

    @property
    def presence(self) -> PresenceBus: ...
    @property
    def lives(self) -> LivesBus: ...

    def listen(self, hear: Hear) -> AbstractAsyncContextManager[Listener]: ...

    async def append_draft(self, room_id: str, draft: Draft, text: str, frames: bytes) -> bool:
        """Append `text`, the end of `draft.text`, to the draft and publish `frames`, in one step;
        False when a higher attempt has begun."""

    async def drafts(self, run_ids: Sequence[str]) -> list[Draft]: ...

    async def drop_draft(self, run_id: str) -> None: ...

    async def put_ticket(self, digest: str, value: bytes, ttl_s: int) -> None: ...

    async def take_ticket(self, digest: str) -> bytes | None:
        """The value, once."""

    async def woken(self, worker: str, limit: int, wait_s: float) -> list[str]:
        """Ids of runs to claim, at most `limit`; waits up to `wait_s` for the first."""

    async def ping(self) -> None:
        """Raises Unavailable when Redis does not answer."""


class Clock(Protocol):
    """Wall-clock milliseconds since 1970."""

    def __call__(self) -> int: ...
