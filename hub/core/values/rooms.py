"""Rooms and who is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hub.core.times import optional_rfc3339, rfc3339
from hub.core.values.kinds import Engagement, Json, MemberRole, WhenBusy
from hub.core.values.people import Author

_LISTENS = frozenset({"thread", "always"})


@dataclass(frozen=True, slots=True)
class Member:
    """A participant in a room; `driven` says that a mention of it starts a run, `busy` what
    becomes of one that comes while another is being written, `disabled` that the participant was
    taken out of use."""

    author: Author
    role: MemberRole
    engagement: Engagement
    joined_ms: int
    driven: bool = False
    busy: WhenBusy = "queue"
    disabled: bool = False

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
