"""The bodies of requests and the fields of commands: what REST and WebSocket accept alike."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Final, Literal, Self

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from hub.core import text
from hub.core.errors import invalid
from hub.core.ids import HANDLE, participant_type
from hub.core.times import LAST_MS, parse_rfc3339
from hub.core.values import (
    SCOPES,
    Busy,
    Engagement,
    Json,
    MemberRole,
    Scope,
    SessionBusy,
    TenantRole,
)
from hub.wire.bodies import At, Body


def _content(value: str) -> str:
    if fault := text.content_fault(value):
        raise ValueError(fault)
    return value


def _plain(value: str) -> str:
    if fault := text.text_fault(value):
        raise ValueError(fault)
    return value


def _name(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return _plain(value)


def _metadata(value: Json) -> Json:
    if fault := text.json_fault(value):
        raise ValueError(fault)
    if len(orjson.dumps(value)) > text.METADATA_BYTES:
        raise ValueError(f"must be at most {text.METADATA_BYTES} bytes of JSON")
    return value


def _prompt(value: str) -> str:
    if len(value.encode(errors="surrogatepass")) > text.PROMPT_BYTES:
        raise ValueError(f"must be at most {text.PROMPT_BYTES} bytes of UTF-8")
    return _plain(value)


def _handle(value: str) -> str:
    if not HANDLE.fullmatch(value):
        raise ValueError("must be 1 to 64 of a-z 0-9 _ -")
    return value


def _scopes(value: list[Scope]) -> list[Scope]:
    if "read" not in value or len(set(value)) < len(value):
        raise ValueError('must be ["read"] or ["read", "write"]')
    return sorted(value)


def _room_settings(value: Json) -> Json:
    """Free metadata, but for what the hub itself reads."""
    _metadata(value)
    if not isinstance(value.get("paused", False), bool):
        raise ValueError("paused must be true or false")
    budget = value.get("budget", {})
    if not isinstance(budget, dict) or not budget.keys() <= {"runs", "tokens", "seconds"}:
        raise ValueError("budget must be an object of runs, tokens and seconds, all optional")
    for name, cap in budget.items():
        if isinstance(cap, bool) or not isinstance(cap, int) or cap < 0:
            raise ValueError(f"budget.{name} must be a whole number from 0")
    return value


def _time(value: str) -> str:
    try:
        if parse_rfc3339(value) > LAST_MS:
            raise ValueError(value)
    except ValueError:
        raise ValueError("must be an RFC 3339 time such as 2030-01-31T12:00:00Z") from None
    return value


def _header_value(value: str) -> str:
    """What can go into an Authorization header."""
    if not (value.isascii() and value.isprintable() and value.strip() == value):
        raise ValueError("must be printable ASCII without spaces around it")
    return value


def _emoji(value: str) -> str:
    if fault := text.emoji_fault(value):
        raise ValueError(fault)
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


CLIENT_ID_CHARS: Final = 200
ID_CHARS: Final = 80
Content = Annotated[str, AfterValidator(_content)]
Name = Annotated[str, Field(max_length=text.NAME_CHARS), AfterValidator(_name)]
Description = Annotated[str, Field(max_length=text.DESCRIPTION_CHARS), AfterValidator(_plain)]
Prompt = Annotated[str, AfterValidator(_prompt)]
Metadata = Annotated[Json, AfterValidator(_metadata)]
RoomSettings = Annotated[Json, AfterValidator(_room_settings)]
Handle = Annotated[str, AfterValidator(_handle)]
Time = Annotated[str, AfterValidator(_time)]
StopText = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain)]
Stops = Annotated[list[StopText], Field(max_length=4), BeforeValidator(_as_list)]
ClientId = Annotated[str, Field(min_length=1, max_length=CLIENT_ID_CHARS), AfterValidator(_plain)]
Emoji = Annotated[str, AfterValidator(_emoji)]
Url = Annotated[str, Field(max_length=2_048), AfterValidator(_plain)]
Plain = Annotated[str, AfterValidator(_plain)]
Id = Annotated[Plain, Field(max_length=ID_CHARS)]
ParticipantKind = Literal["user", "bot", "agent", "persona"]


class ParticipantRef(Body):
    """`{type, id}`: a participant by name."""

    type: ParticipantKind
    id: Id

    @field_validator("id")
    @classmethod
    def _is_id(cls, value: str) -> str:
        if participant_type(value) is None:
            raise ValueError("must be user_, bot_, agent_ or persona_ and 1 to 64 of a-z 0-9 _ -")
        return value

    @model_validator(mode="after")
    def _types_agree(self) -> Self:
        if participant_type(self.id) != self.type:
            raise At("id", f"must be that of the type {self.type}: {self.type}_…")
        return self


class NewMember(ParticipantRef):
    role: MemberRole = "member"
    engagement: Engagement = "mention"


class MemberChange(Body):
    role: MemberRole | None = None
    engagement: Engagement | None = None


class CreateRoom(Body):
    name: Name
    description: Description = ""
    private: bool = True
    initial_members: Annotated[list[NewMember], Field(max_length=500)] = Field(default_factory=list)


class ChangeRoom(Body):
    name: Name | None = None
    description: Description | None = None
    settings: RoomSettings | None = None


class PostMessage(Body):
    content: Content
    mention: Annotated[list[ParticipantRef], Field(max_length=50)] = Field(default_factory=list)
    client_id: ClientId | None = None


class EditMessage(Body):
    content: Content


class MarkRead(Body):
    seq: Annotated[int, Field(ge=0, le=2**53)]
    thread_id: Id | None = None


class CreateSession(Body):
    model: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain)]
    title: Name | None = None
    system_prompt: Prompt | None = None
    metadata: Metadata = Field(default_factory=dict)
    busy: SessionBusy = "queue"


class ChangeSession(Body):
    title: Name | None = None
    system_prompt: Prompt | None = None
    metadata: Metadata | None = None
    status: Literal["active", "closed"] | None = None
    busy: SessionBusy | None = None


class Regenerate(Body):
    """How a reply is wanted: whole or streamed, and sampled how."""

    stream: bool = False
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    stop: Stops | None = None

    def sampling(self) -> Json:
        """What goes with the run."""
        return self.model_dump(
            include={"max_tokens", "temperature", "top_p", "stop"}, exclude_none=True
        )


class SendMessage(Regenerate):
    content: Content


class Escalate(Body):
    message: Description | None = None


class TakeOver(Body):
    """Nothing needs to be said."""


class HandBack(Body):
    note: Description | None = None


class PromoteSession(Body):
    name: Name | None = None
    initial_members: Annotated[list[NewMember], Field(max_length=500)] = Field(default_factory=list)


class AnyDriver(Body):
    """What every driver has: what becomes of a mention that comes while it writes, and whether
    people see it write."""

    busy: Busy = "queue"
    response_mode: Literal["streaming", "whole"] = "streaming"


class ModelDriver(AnyDriver):
    kind: Literal["model"]
    model: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain)]
    system_prompt: Prompt | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


class WebhookDriver(AnyDriver):
    kind: Literal["webhook"]
    url: Url


class SocketDriver(AnyDriver):
    kind: Literal["socket"]


class A2aDriver(AnyDriver):
    kind: Literal["a2a"]
    url: Url


class CallableDriver(AnyDriver):
    kind: Literal["callable"]
    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain)]


Driver = Annotated[
    ModelDriver | WebhookDriver | SocketDriver | A2aDriver | CallableDriver,
    Field(discriminator="kind"),
]


class CreateParticipant(ParticipantRef):
    name: Name
    handle: Handle | None = None
    driver: Driver | None = None

    @model_validator(mode="after")
    def _users_have_no_driver(self) -> Self:
        if self.type == "user" and self.driver is not None:
            raise At("driver", "a user has no driver")
        return self


class ChangeParticipant(Body):
    name: Name | None = None
    handle: Handle | None = None
    driver: Driver | None = None
    rotate_secret: bool = False


Slug = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_plain)]
ModelKey = Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_header_value)]
Cost = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=3_600)]


class ModelPrice(Body):
    """What a million tokens cost, in the operator's currency."""

    prompt: Cost
    completion: Cost


class PutModel(Body):
    """A model: a server and how it is asked, or an alias of another. Without `api_key` the keys
    stay as they are, null removes them."""

    base_url: Url | None = None
    alias_of: Slug | None = None
    api_key: (
        Annotated[list[ModelKey], Field(min_length=1, max_length=16), BeforeValidator(_as_list)]
        | None
    ) = None
    upstream_model: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain)] | (
        None
    ) = None
    context_window: Annotated[int, Field(ge=256, le=100_000_000)] = 8_192
    max_output_tokens: Annotated[int, Field(ge=1, le=10_000_000)] = 2_048
    fallbacks: Annotated[list[Slug], Field(max_length=8)] = Field(default_factory=list)
    retries: Annotated[int, Field(ge=0, le=5)] = 1
    connect_timeout_s: Seconds = 10.0
    idle_timeout_s: Seconds = 60.0
    timeout_s: Seconds = 120.0
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    alternating: bool = False
    price: ModelPrice | None = None


class AnswerRun(Body):
    content: Content


class AppendDelta(Body):
    offset: Annotated[int, Field(ge=0, le=text.CONTENT_BYTES)]
    text: Annotated[str, Field(max_length=text.CONTENT_BYTES)]


class CreateKey(Body):
    name: Name
    participant_id: Id | None = None
    role: TenantRole = "tenant_user"
    scopes: Annotated[list[Scope], AfterValidator(_scopes)] = Field(default=[*SCOPES])
    expires_at: Time | None = None


class CreateTicket(Body):
    purpose: Literal["ws", "login"]


class LogIn(Body):
    ticket: Annotated[str, Field(min_length=1, max_length=200)]


def given(body: Body, *, nullable: Collection[str] = ()) -> dict[str, Any]:
    """The fields a PATCH names; only those that are `nullable` may be null."""
    named = {name: getattr(body, name) for name in body.model_fields_set}
    for name, value in named.items():
        if value is None and name not in nullable:
            raise invalid(name, "must not be null")
    return named
