"""What AI participants do, and the text they are writing."""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.core.times import optional_rfc3339, rfc3339
from hub.core.values.kinds import Json


@dataclass(frozen=True, slots=True)
class Run:
    """One invocation of one AI participant for one trigger message, which `caller_id` wrote.

    A waiting run `awaits` a `person`, an `answer` from outside or a `socket`. `memory` is its
    driver's, `answer_id` the message that resumed it, `cancelled_by` who asked for its end. A run
    has a `warning` that brought a budget near its end (see `hub.core.governor`).
    """

    id: str
    tenant_id: str
    room_id: str
    participant_id: str
    trigger_message_id: str
    generation: int
    thread_id: str
    state: str
    reason: str | None
    attempt: int
    depth: int
    root_message_id: str
    reply_message_id: str
    created_ms: int
    started_ms: int | None = None
    first_delta_ms: int | None = None
    finished_ms: int | None = None
    usage: Json | None = None
    context: Json | None = None
    error: Json | None = None
    params: Json = field(default_factory=dict)
    caller_id: str = ""
    awaits: str | None = None
    memory: Json = field(default_factory=dict)
    answer_id: str | None = None
    cancelled_by: str | None = None
    warning: Json | None = None

    def as_dict(self) -> Json:
        kind = self.participant_id.split("_", 1)[0]
        return {
            "id": self.id,
            "room_id": self.room_id,
            "participant": {"type": kind, "id": self.participant_id},
            "trigger_message_id": self.trigger_message_id,
            "generation": self.generation,
            "state": self.state,
            "reason": self.reason,
            "attempt": self.attempt,
            "depth": self.depth,
            "root_message_id": self.root_message_id,
            "reply_message_id": self.reply_message_id,
            "usage": self.usage,
            "context": self.context,
            "created_at": rfc3339(self.created_ms),
            "started_at": optional_rfc3339(self.started_ms),
            "first_delta_at": optional_rfc3339(self.first_delta_ms),
            "finished_at": optional_rfc3339(self.finished_ms),
            "error": self.error,
            "warning": self.warning,
        }


@dataclass(frozen=True, slots=True)
class Draft:
    """The text of a run that is still streaming; offsets count characters (code points)."""

    run_id: str
    message_id: str
    thread_id: str
    participant: Json
    attempt: int
    text: str

    def as_dict(self) -> Json:
        return {
            "run_id": self.run_id,
            "message_id": self.message_id,
            "thread_id": self.thread_id,
            "participant": self.participant,
            "attempt": self.attempt,
            "offset": len(self.text),
            "text": self.text,
        }
