"""Who may do what in a room, by role."""

from __future__ import annotations

from hub.core.values import Actor, Engagement, Member, MemberRole, Room

_POSTS = frozenset({"owner", "admin", "member", "guest"})
_MANAGES = frozenset({"owner", "admin"})
_JOINS = _POSTS - _MANAGES | {"observer"}


def may_read(actor: Actor, room: Room, member: Member | None) -> bool:
    """Members read; so does everybody of the tenant in a public room, and its admins anywhere."""
    if actor.tenant_id != room.tenant_id:
        return False
    return member is not None or actor.is_admin or (room.kind == "room" and not room.private)


def may_post(member: Member | None) -> bool:
    """Members but observers post."""
    return member is not None and member.role in _POSTS


def may_join_as(role: MemberRole, engagement: Engagement) -> bool:
    """Whoever may read a room joins it by themselves, in a role that manages nobody; to be asked
    more than when mentioned is for others to decide."""
    return role in _JOINS and engagement == "mention"


def may_manage(member: Member | None) -> bool:
    """Owners and admins of a room change it and its members."""
    return member is not None and member.role in _MANAGES
