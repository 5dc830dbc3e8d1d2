"""What a client asks for, done one command at a time: everything but the posts that the writer
takes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import structlog

from hub.core.errors import Denied, FieldError, HubError, Limited, missing
from hub.core.permissions import may_post
from hub.core.posts import Posted
from hub.core.values import Json
from hub.enduring import tell
from hub.gateway.closes import RESTARTING, RESUME
from hub.gateway.commands import (
    Auth,
    Cancel,
    Delete,
    Edit,
    Post,
    React,
    Read,
    RoomCursor,
    RunCommand,
    Subscribe,
    Typing,
    Unreact,
    Unsubscribe,
)
from hub.gateway.desk import Desk
from hub.gateway.gateway import Gateway
from hub.gateway.joining import Cursor, Joining
from hub.ports import Clock
from hub.service.messages import run_brief
from hub.wire.bodies import Body
from hub.wire.events import ephemeral_frame
from hub.wire.packets import Packet

if TYPE_CHECKING:
    from hub.gateway.connection import Connection

ROOMS: Final = 1_000
TYPING_S: Final = 1.0
Reply = Callable[[Json], None]
log = structlog.get_logger("hub.connection")


class Doing:
    """The commands of one connection, while some are done."""

    __slots__ = ("_client", "_desk", "_gateway", "_now_ms", "_parts")

    def __init__(self, client: Connection, gateway: Gateway, desk: Desk, now_ms: Clock) -> None:
        self._client = client
        self._gateway = gateway
        self._parts = gateway.parts
        self._desk = desk
        self._now_ms = now_ms

    async def do(self, command: Body, reply: Reply) -> None:
        """Do it and reply; HubError when it is refused."""
        if isinstance(command, Subscribe):
            await self._subscribe(command, reply)
        else:
            reply(await self._done(command))

    async def _done(self, command: Body) -> Json:
        """The data of the reply."""
        parts, actor = self._parts, self._client.actor
        if isinstance(command, Post):
            posted = await parts.messages.post(
                actor, command.room_id, command, thread_id=command.thread_id
            )
            return posted_reply(posted)
        if isinstance(command, Edit | Delete | React | Unreact):
            return {"seq": await self._touch(command)}
        if isinstance(command, RunCommand):
            return await self._desk.do(actor, command)
        if isinstance(command, Auth):
            return await self._client.refresh(command.token)
        if isinstance(command, Read):
            await parts.reading.mark(actor, command.room_id, command.seq, command.thread_id)
        elif isinstance(command, Unsubscribe):
            self._leave(command.room_id)
        elif isinstance(command, Typing):
            await self._typing(command)
        elif isinstance(command, Cancel):
            await parts.runs.cancel(actor, command.run_id)
        return {}

    # Rooms.

    async def _subscribe(self, command: Subscribe, reply: Reply) -> None:
        """Answer first, then the missed events, then live. Who may not read one of the rooms is
        told which, and follows what it followed."""
        if len(self._client.rooms.union(each.room_id for each in command.cursors)) > ROOMS:
            raise Limited(f"a connection follows at most {ROOMS} rooms")
        for cursor in command.cursors:
            await self._readable(cursor.room_id, command)
        joining: list[Joining] = []
        try:
            for cursor in command.cursors:
                joining.append(await self._prepare(cursor))
            self._still_in(joining, command)
            told = [self._gateway.told(each.joined) for each in joining]
            reply({"rooms": told} if command.rooms is not None else told[0])
            await self._go_live(joining)
        finally:
            for each in joining:
                self._leave(each.feed.room_id)
            if self._client.closed:  # it went away meanwhile: leave what was entered since
                self._client.on_closed()

    async def _readable(self, room_id: str, command: Subscribe) -> None:
        """No subscription for a stranger."""
        try:
            await self._parts.views.known(self._client.actor, room_id)
        except HubError as error:
            _name(error, room_id, command)
            raise

    def _still_in(self, joining: list[Joining], command: Subscribe) -> None:
        """No success for who was expelled from one room while the others were prepared."""
        for each in joining:
            if not each.feed.has(self._client):
                error = missing("room")
                _name(error, each.feed.room_id, command)
                raise error

    async def _prepare(self, cursor: RoomCursor) -> Joining:
        self._leave(cursor.room_id)
        since = None if cursor.since is None else Cursor(cursor.since, cursor.epoch)
        joining = await self._gateway.fanout.prepare(self._client, cursor.room_id, since)
        self._client.rooms.add(cursor.room_id)
        return joining

    async def _go_live(self, joining: list[Joining]) -> None:
        """The reply is out: what fails now can only be told by asking the client to resume."""
        try:
            while joining:
                await self._gateway.fanout.complete(self._client, joining.pop(0))
        except Exception as error:
            tell(log, "a replay broke off", error)
            self._client.close(RESTARTING, RESUME)

    def _leave(self, room_id: str) -> None:
        self._client.rooms.discard(room_id)
        self._gateway.fanout.leave(self._client, room_id)

    # Messages.

    async def _touch(self, command: Edit | Delete | React | Unreact) -> int | None:
        """The seq of the change; None when nothing changed."""
        editing, actor, message_id = self._parts.editing, self._client.actor, command.message_id
        if isinstance(command, Edit):
            return await editing.edit(actor, None, message_id, command.content)
        if isinstance(command, Delete):
            return await editing.delete(actor, None, message_id)
        present = isinstance(command, React)
        return await editing.react(actor, None, message_id, command.emoji, present=present)

    async def _typing(self, command: Typing) -> None:
        """Told once a second at most, however often it is said."""
        actor = self._client.actor
        if command.room_id not in self._client.rooms:
            raise missing("room")
        view = await self._parts.views.known(actor, command.room_id)
        if not may_post(view.members.get(actor.id)):
            raise Denied("only members of the room type, and observers do not")
        now_s, at = asyncio.get_running_loop().time(), (command.room_id, command.thread_id)
        typed = self._client.typed
        if now_s - typed.get(at, -TYPING_S) < TYPING_S:
            return
        if len(typed) >= ROOMS:
            typed.clear()
        typed[at] = now_s
        data = {"participant": actor.author.ref(), "thread_id": command.thread_id}
        frame = ephemeral_frame("typing", command.room_id, self._now_ms(), data)
        self._parts.publisher.tell([(command.room_id, Packet(0, 1, frame))])


def _name(error: HubError, room_id: str, command: Subscribe) -> None:
    """Say which of many rooms it is about."""
    if command.rooms is not None:
        place = [cursor.room_id for cursor in command.rooms].index(room_id)
        error.details = (FieldError(f"rooms[{place}].room_id", error.message),)


def posted_reply(posted: Posted) -> dict[str, Any]:
    """The data of the reply to a post."""
    return {
        "id": posted.message_id,
        "seq": posted.seq,
        "runs": [run_brief(run) for run in posted.runs],
    }
