"""What a connection hands on: frozen values, one union."""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.core.errors import HubError
from hub.core.values import Json


@dataclass(frozen=True, slots=True)
class Connected:
    """The hub said hello; `participant` is `{type, id, handle, name}`, who this connection is."""

    connection_id: str
    participant: Json


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection was cut, with its close code if there was one; the next try is in `retry_s`
    seconds. Nothing need be done: what is missed meanwhile follows."""

    code: int | None
    reason: str
    retry_s: float


@dataclass(frozen=True, slots=True)
class Joined:
    """A room is followed, live from now on once what came after `since` has been handed on.
    `presence` is who is there, `{count, participants}`; `Signalled` diffs `presence` follow."""

    room_id: str
    head: int
    epoch: str
    recovered: bool
    since: int | None = None
    presence: Json = field(default_factory=dict, compare=False)

    @property
    def missed(self) -> bool:
        """True when events after `since` will not come: read the room anew by REST."""
        return self.since is not None and not self.recovered


@dataclass(frozen=True, slots=True)
class Left:
    """A room is followed no longer: it was left, or may no longer be read (`error`)."""

    room_id: str
    error: HubError | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry of a room's log, such as `message.created`: each once, in the order of `seq`."""

    type: str
    room_id: str
    seq: int
    at: str
    data: Json


@dataclass(frozen=True, slots=True)
class Draft:
    """The text so far of a reply that is being written; the final message has `message_id`."""

    room_id: str
    run_id: str
    message_id: str
    thread_id: str | None
    participant: Json
    attempt: int
    text: str


@dataclass(frozen=True, slots=True)
class DraftGrew:
    """`text` was appended to a draft at `offset` (code points); `draft` has it already. A new
    attempt begins again at offset 0."""

    draft: Draft
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Signalled:
    """An event without a seq, such as `typing`; a hub may drop these."""

    type: str
    room_id: str | None
    at: str
    data: Json


Event = Connected | Disconnected | Joined | Left | Logged | DraftGrew | Signalled
