"""Rooms and their members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from hub.core.posts import RequestKey
from hub.core.values import Actor, Json, Member, Room, RoomView
from hub.ports.common import Page, Written


class RoomStore(Protocol):
    async def create(
        self, room: Room, members: Sequence[Member], key: RequestKey | None
    ) -> Written:
        """Store a room with its first members and a `member.joined` for each."""

    async def view(self, tenant_id: str, room_id: str, known_acl: int = -1) -> RoomView | None:
        """The room and its members; without the members when `acl_version` is `known_acl`."""

    async def views(self, asked: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], RoomView]:
        """As `view` of many rooms, by tenant and room, each asked for with the version that is
        known of it; what is not there is left out."""

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
