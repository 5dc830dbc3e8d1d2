"""Commands on a WebSocket: their fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from hub.wire.bodies import Body
from hub.wire.requests import PostMessage

RoomId = Annotated[str, Field(min_length=1, max_length=80)]
Seq = Annotated[int, Field(ge=0, le=2**53)]


def _command_id(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str | None):
        raise ValueError("must be a string or a whole number")
    return value


CommandId = Annotated[Any, AfterValidator(_command_id)]


class RoomCursor(Body):
    room_id: RoomId
    since: Seq | None = None
    epoch: Annotated[str, Field(max_length=80)] | None = None


class Command(Body):
    id: CommandId = None


class Subscribe(Command):
    type: Literal["subscribe"]
    room_id: RoomId | None = None
    since: Seq | None = None
    epoch: Annotated[str, Field(max_length=80)] | None = None
    rooms: Annotated[list[RoomCursor], Field(min_length=1, max_length=500)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Subscribe:
        if (self.room_id is None) == (self.rooms is None):
            raise ValueError("give either room_id or rooms")
        return self

    @property
    def cursors(self) -> list[RoomCursor]:
        if self.rooms is not None:
            return list({cursor.room_id: cursor for cursor in self.rooms}.values())
        return [RoomCursor(room_id=self.room_id or "", since=self.since, epoch=self.epoch)]


class Unsubscribe(Command):
    type: Literal["unsubscribe"]
    room_id: RoomId


class Post(PostMessage):
    id: CommandId = None
    type: Literal["post"]
    room_id: RoomId
    thread_id: Annotated[str, Field(max_length=80)] | None = None


class Typing(Command):
    type: Literal["typing"]
    room_id: RoomId
    thread_id: Annotated[str, Field(max_length=80)] | None = None


class Ping(Command):
    type: Literal["ping"]


class Auth(Command):
    type: Literal["auth"]
    token: Annotated[str, Field(max_length=8192)]


COMMANDS: dict[str, type[Body]] = {
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
    "post": Post,
    "typing": Typing,
    "ping": Ping,
    "auth": Auth,
}


def command_id(value: dict[str, Any]) -> int | str | None:
    """The id to answer to, whatever else is wrong with the command."""
    found = value.get("id")
    return found if isinstance(found, int | str) and not isinstance(found, bool) else None
