"""The nouns of a hub as frozen values; `as_dict` is the shape a client sees."""

from __future__ import annotations

from hub.core.values.kinds import (
    MEMBER_ROLES,
    SCOPES,
    Busy,
    Engagement,
    Json,
    MemberRole,
    Scope,
    SessionBusy,
    TenantRole,
    WhenBusy,
)
from hub.core.values.messages import Message
from hub.core.values.people import (
    Actor,
    ApiKey,
    Author,
    Participant,
    of_tokens,
    token_key,
    why_gone,
)
from hub.core.values.rooms import Member, Room, RoomView
from hub.core.values.runs import Draft, Run
from hub.core.values.sessions import Session

__all__ = [
    "MEMBER_ROLES",
    "SCOPES",
    "Actor",
    "ApiKey",
    "Author",
    "Busy",
    "Draft",
    "Engagement",
    "Json",
    "Member",
    "MemberRole",
    "Message",
    "Participant",
    "Room",
    "RoomView",
    "Run",
    "Scope",
    "Session",
    "SessionBusy",
    "TenantRole",
    "WhenBusy",
    "of_tokens",
    "token_key",
    "why_gone",
]
