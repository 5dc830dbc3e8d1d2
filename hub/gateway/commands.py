"""Commands on a WebSocket: their fields, and how a frame is read as one."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from hub.core.errors import Invalid, invalid
from hub.core.text import CONTENT_BYTES, content_fault, text_fault
from hub.wire.bodies import At, Body, parse_object, parse_packed, validate
from hub.wire.requests import (
    CLIENT_ID_CHARS,
    ID_CHARS,
    Content,
    EditMessage,
    Emoji,
    Id,
    MarkRead,
    ParticipantRef,
    Plain,
    PostMessage,
)

RunId = Annotated[Id, Field(min_length=1)]
MessageId = Annotated[Id, Field(min_length=1)]
RoomId = Annotated[Id, Field(min_length=1)]
Seq = Annotated[int, Field(ge=0, le=2**53)]


def _command_id(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str | None):
        raise ValueError("must be a string or a whole number")
    return value


CommandId = Annotated[Any, AfterValidator(_command_id)]


class RoomCursor(Body):
    room_id: RoomId
    since: Seq | None = None
    epoch: Id | None = None


class Command(Body):
    id: CommandId = None


class Subscribe(Command):
    type: Literal["subscribe"]
    room_id: RoomId | None = None
    since: Seq | None = None
    epoch: Id | None = None
    rooms: Annotated[list[RoomCursor], Field(min_length=1, max_length=500)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Subscribe:
        if (self.room_id is None) == (self.rooms is None):
            raise At("room_id", "give either room_id or rooms")
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
    thread_id: Id | None = None


class PlainPost(NamedTuple):
    """A `Post` as most are: text into a room, for nobody in particular."""

    room_id: str
    content: str
    client_id: str | None
    thread_id: str | None
    mention: tuple[ParticipantRef, ...] = ()


class Edit(EditMessage):
    id: CommandId = None
    type: Literal["edit"]
    message_id: MessageId


class Delete(Command):
    type: Literal["delete"]
    message_id: MessageId


class React(Command):
    type: Literal["react"]
    message_id: MessageId
    emoji: Emoji


class Unreact(Command):
    type: Literal["unreact"]
    message_id: MessageId
    emoji: Emoji


class Read(MarkRead):
    id: CommandId = None
    type: Literal["read"]
    room_id: RoomId


class Typing(Command):
    type: Literal["typing"]
    room_id: RoomId
    thread_id: Id | None = None


class Ping(Command):
    type: Literal["ping"]


class Cancel(Command):
    type: Literal["cancel"]
    run_id: RunId


class RunCommand(Command):
    """What a bot says of a run that was offered to it."""

    run_id: RunId


class RunAccept(RunCommand):
    type: Literal["run.accept"]


class RunDelta(RunCommand):
    type: Literal["run.delta"]
    offset: Annotated[int, Field(ge=0, le=CONTENT_BYTES)]
    text: Annotated[str, Field(max_length=CONTENT_BYTES)]


class RunReply(RunCommand):
    type: Literal["run.reply"]
    content: Content


class RunSilence(RunCommand):
    type: Literal["run.silence"]


class RunFail(RunCommand):
    type: Literal["run.fail"]
    message: Annotated[Plain, Field(min_length=1, max_length=500)]


class Auth(Command):
    type: Literal["auth"]
    token: Annotated[str, Field(max_length=8192, description="A key, a JSON Web Token or a ticket")]


READING: Final = (Subscribe, Unsubscribe, Ping, Auth)
"""For a key that may only read, too."""
_PLAIN: Final = frozenset({"id", "type", "room_id", "content", "client_id", "thread_id"})
_IDS: Final = (str, int, type(None))

COMMANDS: dict[str, type[Body]] = {
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
    "post": Post,
    "edit": Edit,
    "delete": Delete,
    "react": React,
    "unreact": Unreact,
    "typing": Typing,
    "read": Read,
    "ping": Ping,
    "auth": Auth,
    "cancel": Cancel,
    "run.accept": RunAccept,
    "run.delta": RunDelta,
    "run.reply": RunReply,
    "run.silence": RunSilence,
    "run.fail": RunFail,
}


def command_id(value: dict[str, Any]) -> int | str | None:
    """The id to answer to, whatever else is wrong with the command."""
    found = value.get("id")
    return found if isinstance(found, int | str) and not isinstance(found, bool) else None


def decoded(data: str | bytes, *, packed: bool) -> dict[str, Any]:
    """The map in a frame of a subprotocol; Invalid for anything else."""
    if packed:
        if isinstance(data, str):
            raise Invalid("this subprotocol speaks MessagePack in binary frames")
        return parse_packed(data)
    if not isinstance(data, str):
        raise Invalid("this subprotocol speaks JSON in text frames")
    return parse_object(data)


def plain_post(value: dict[str, Any]) -> PlainPost | None:
    """A post in which nothing is out of the ordinary, checked in a third of the time; None for
    everything else, which `parsed` judges."""
    if value.get("type") != "post" or not value.keys() <= _PLAIN:
        return None
    room_id, content = value.get("room_id"), value.get("content")
    client_id, thread_id = value.get("client_id"), value.get("thread_id")
    plain = (
        type(content) is str
        and content_fault(content) is None
        and _is_word(room_id, ID_CHARS)
        and (client_id is None or _is_word(client_id, CLIENT_ID_CHARS))
        and (thread_id is None or _is_word(thread_id, ID_CHARS))
        and type(value.get("id")) in _IDS
    )
    return PlainPost(room_id, content, client_id, thread_id) if plain else None  # type: ignore[arg-type]


def _is_word(value: Any, most: int) -> bool:
    return type(value) is str and 1 <= len(value) <= most and text_fault(value) is None


def parsed(value: dict[str, Any]) -> Body:
    """The command that a map is; Invalid naming the field at fault."""
    kind = value.get("type")
    model = COMMANDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise invalid("type", f"must be one of {', '.join(sorted(COMMANDS))}")
    return validate(model, value)
