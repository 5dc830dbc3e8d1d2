"""The nouns of a hub as frozen values; `as_dict` is the shape a client sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hub.core.ids import AI_TYPES
from hub.core.times import optional_rfc3339, rfc3339

Json = dict[str, Any]
MemberRole = Literal["owner", "admin", "member", "observer", "guest"]
Engagement = Literal["mention", "thread", "always", "off"]
Busy = Literal["queue", "merge", "interrupt"]
SessionBusy = Literal["queue", "interrupt", "reject"]
WhenBusy = Busy | SessionBusy
TenantRole = Literal["tenant_user", "tenant_admin"]
_LISTENS = frozenset({"thread", "always"})
MEMBER_ROLES: tuple[MemberRole, ...] = ("owner", "admin", "member", "observer", "guest")


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote or acts: what of a participant is shown beside a message."""

    id: str
    type: str
    handle: str
    name: str

    @property
    def is_ai(self) -> bool:
        return self.type in AI_TYPES

    def as_dict(self) -> Json:
        return {"type": self.type, "id": self.id, "handle": self.handle, "name": self.name}

    def ref(self) -> Json:
        return {"type": self.type, "id": self.id}


@dataclass(frozen=True, slots=True)
class Participant:
    """A user, bot, agent or persona of a tenant; `driver` says how an AI is invoked. `secrets` are
    what requests to it are signed with, `{secret, until_ms}`, newest first; never shown."""

    tenant_id: str
    id: str
    type: str
    handle: str
    name: str
    driver: Json | None
    created_ms: int
    disabled_ms: int | None = None
    secrets: tuple[Json, ...] = ()

    def author(self) -> Author:
        return Author(self.id, self.type, self.handle, self.name)

    def as_dict(self) -> Json:
        return {
            **self.author().as_dict(),
            "driver": self.driver,
            "created_at": rfc3339(self.created_ms),
            "disabled_at": optional_rfc3339(self.disabled_ms),
        }


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller: one key, one participant, one tenant."""

    tenant_id: str
    author: Author
    role: TenantRole
    key_id: str
    expires_ms: int | None = None

    @property
    def id(self) -> str:
        return self.author.id

    @property
    def is_admin(self) -> bool:
        return self.role == "tenant_admin"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its owner sees it; the secret itself is shown once and never stored."""

    id: str
    tenant_id: str
    participant_id: str
    name: str
    role: TenantRole
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None

    def as_dict(self) -> Json:
        return {
            "id": self.id,
            "name": self.name,
            "participant_id": self.participant_id,
            "role": self.role,
            "created_at": rfc3339(self.created_ms),
            "expires_at": optional_rfc3339(self.expires_ms),
            "revoked_at": optional_rfc3339(self.revoked_ms),
        }


@dataclass(frozen=True, slots=True)
class Member:
    """A participant in a room; `driven` says that a mention of it starts a run, `busy` what
    becomes of one that comes while another is being written."""

    author: Author
    role: MemberRole
    engagement: Engagement
    joined_ms: int
    driven: bool = False
    busy: WhenBusy = "queue"

    def as_dict(self) -> Json:
        return {
            **self.author.as_dict(),
            "role": self.role,
            "engagement": self.engagement,
            "joined_at": rfc3339(self.joined_ms),
        }


@dataclass(frozen=True, slots=True)
class Room:
    """A shared space with one log; a session is a room of kind `session`."""

    id: str
    tenant_id: str
    kind: Literal["room", "session"]
    name: str
    description: str
    private: bool
    created_ms: int
    created_by: str
    archived_ms: int | None
    head: int
    first_seq: int
    epoch: str
    acl_version: int
    settings: Json

    def as_dict(self) -> Json:
        return {
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "description": self.description,
            "private": self.private,
            "created_at": rfc3339(self.created_ms),
            "created_by": self.created_by,
            "archived_at": optional_rfc3339(self.archived_ms),
            "head": self.head,
            "epoch": self.epoch,
            "settings": self.settings,
        }


@dataclass(frozen=True, slots=True)
class RoomView:
    """A room with its members as of `room.acl_version`: what authorising a post needs. Known from
    the members are who has which handle, and which AIs answer without being named."""

    room: Room
    members: Mapping[str, Member]
    by_handle: Mapping[str, Member] = field(init=False, repr=False, compare=False)
    listening: tuple[Member, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        everybody = self.members.values()
        by_handle = {member.author.handle: member for member in everybody}
        listening = tuple(m for m in everybody if m.driven and m.engagement in _LISTENS)
        object.__setattr__(self, "by_handle", by_handle)
        object.__setattr__(self, "listening", listening)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a room; `thread_id` is the id of the root it answers, `root_message_id` the
    human message that set it off, where it is known: of a reply in a session, what it answers."""

    id: str
    room_id: str
    seq: int
    thread_id: str | None
    author: Author
    content: str
    mention: tuple[Json, ...]
    created_ms: int
    client_id: str | None = None
    run_id: str | None = None
    status: str = "final"
    edited_ms: int | None = None
    deleted_ms: int | None = None
    reply_count: int = 0
    last_reply_ms: int | None = None
    finish_reason: str | None = None
    usage: Json | None = None
    tenant_id: str = ""
    root_message_id: str | None = field(default=None, compare=False)
    reactions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def as_dict(self) -> Json:
        return {
            "id": self.id,
            "room_id": self.room_id,
            "seq": self.seq,
            "thread_id": self.thread_id,
            "author": self.author.as_dict(),
            "content": "" if self.deleted_ms else self.content,
            "mention": list(self.mention),
            "created_at": rfc3339(self.created_ms),
            "edited_at": optional_rfc3339(self.edited_ms),
            "deleted_at": optional_rfc3339(self.deleted_ms),
            "reply_count": self.reply_count,
            "last_reply_at": optional_rfc3339(self.last_reply_ms),
            "reactions": {emoji: list(people) for emoji, people in self.reactions.items()},
            "client_id": self.client_id,
            "run_id": self.run_id,
            "status": self.status,
        }


@dataclass(frozen=True, slots=True)
class Session:
    """The one-to-one form: a room of kind `session` with one user and one model.

    `handler` is the person who answers instead of the model, `waiting_ms` since when it waits for
    one, `waiting_for` what was said about that. `handover` is the last time that a person had it:
    {by: {id, name}, since_seq, until_seq, note}. `promoted` is the room it became: {room_id, head}.
    """

    id: str
    tenant_id: str
    owner: str
    participant_id: str
    model: str
    title: str | None
    system_prompt: str | None
    metadata: Json
    status: Literal["active", "closed"]
    handling: Literal["ai", "human"]
    message_count: int
    created_ms: int
    updated_ms: int
    deleted_ms: int | None = None
    busy: SessionBusy = "queue"
    handler: str | None = None
    waiting_ms: int | None = None
    waiting_for: str | None = None
    handover: Json | None = None
    promoted: Json | None = None

    @property
    def room_id(self) -> str:
        """The room that has its messages."""
        return self.promoted["room_id"] if self.promoted else self.id

    def as_dict(self) -> Json:
        return {
            "id": self.id,
            "model": self.model,
            "title": self.title,
            "system_prompt": self.system_prompt,
            "metadata": self.metadata,
            "status": self.status,
            "handling": self.handling,
            "handler": self.handler,
            "queue": self._queue(),
            "busy": self.busy,
            "owner": self.owner,
            "created_at": rfc3339(self.created_ms),
            "updated_at": rfc3339(self.updated_ms),
            "message_count": self.message_count,
            **({"room_id": self.room_id} if self.promoted else {}),
            **({"deleted_at": rfc3339(self.deleted_ms)} if self.deleted_ms else {}),
        }

    def _queue(self) -> Json | None:
        """Since when it waits for a person; None when it does not."""
        if self.waiting_ms is None:
            return None
        return {"since": rfc3339(self.waiting_ms), "message": self.waiting_for}


@dataclass(frozen=True, slots=True)
class Run:
    """One invocation of one AI participant for one trigger message, which `caller_id` wrote.

    A waiting run `awaits` a `person`, an `answer` from outside or a `socket`. `memory` is its
    driver's, `answer_id` the message that resumed it, `cancelled_by` who asked for its end. A run
    has a `warning` that brought a budget near its end (see `hub.core.governor`).
    """

    id: str
    tenant_id: str
    room_id: str
    participant_id: str
    trigger_message_id: str
    generation: int
    thread_id: str
    state: str
    reason: str | None
    attempt: int
    depth: int
    root_message_id: str
    reply_message_id: str
    created_ms: int
    started_ms: int | None = None
    first_delta_ms: int | None = None
    finished_ms: int | None = None
    usage: Json | None = None
    context: Json | None = None
    error: Json | None = None
    params: Json = field(default_factory=dict)
    caller_id: str = ""
    awaits: str | None = None
    memory: Json = field(default_factory=dict)
    answer_id: str | None = None
    cancelled_by: str | None = None
    warning: Json | None = None

    def as_dict(self) -> Json:
        kind = self.participant_id.split("_", 1)[0]
        return {
            "id": self.id,
            "room_id": self.room_id,
            "participant": {"type": kind, "id": self.participant_id},
            "trigger_message_id": self.trigger_message_id,
            "generation": self.generation,
            "state": self.state,
            "reason": self.reason,
            "attempt": self.attempt,
            "depth": self.depth,
            "root_message_id": self.root_message_id,
            "reply_message_id": self.reply_message_id,
            "usage": self.usage,
            "context": self.context,
            "created_at": rfc3339(self.created_ms),
            "started_at": optional_rfc3339(self.started_ms),
            "first_delta_at": optional_rfc3339(self.first_delta_ms),
            "finished_at": optional_rfc3339(self.finished_ms),
            "error": self.error,
            "warning": self.warning,
        }


@dataclass(frozen=True, slots=True)
class Draft:
    """The text of a run that is still streaming; offsets count characters (code points)."""

    run_id: str
    message_id: str
    thread_id: str
    participant: Json
    attempt: int
    text: str

    def as_dict(self) -> Json:
        return {
            "run_id": self.run_id,
            "message_id": self.message_id,
            "thread_id": self.thread_id,
            "participant": self.participant,
            "attempt": self.attempt,
            "offset": len(self.text),
            "text": self.text,
        }
