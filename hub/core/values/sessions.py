"""A user's talk with a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hub.core.times import rfc3339
from hub.core.values.kinds import Json, SessionBusy


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
