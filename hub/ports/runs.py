"""Runs: who works on one, how it waits, how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hub.core.posts import LogRow, RequestKey
from hub.core.triggers import Summons
from hub.core.values import Json, Run
from hub.ports.common import Page


@dataclass(frozen=True, slots=True)
class Reply:
    """How a run ends. `text` None ends it without a message. The message may speak to others:
    `mention` and `calls` as in a post, `summons` whom it asks to answer. With an `escalation` its
    session waits for a person."""

    state: str
    text: str | None
    at_ms: int
    status: str = "final"
    reason: str | None = None
    finish_reason: str | None = None
    usage: Json | None = None
    context: Json | None = None
    error: Json | None = None
    first_delta_ms: int | None = None
    mention: tuple[Json, ...] = ()
    calls: tuple[str, ...] = ()
    summons: tuple[Summons, ...] = ()
    escalation: str | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A run that waits, for a `person`, an `answer` from outside or a `socket`, for `wait_ms`. A
    `question` becomes a message of the thread with the id `message_id`."""

    awaits: str
    wait_ms: int
    at_ms: int
    reason: str
    memory: Json
    question: str | None = None
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended, or moved: what to publish, the runs to work now (who waited behind it in
    its lane, whom its message called), and those to be cut short."""

    run: Run
    entries: tuple[LogRow, ...]
    woken: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Renewed:
    """What became of leases: the runs that are kept, the runs and attempts that are lost. One that
    could not be renewed just now, because its run is being changed, is in neither."""

    kept: list[Run]
    lost: frozenset[tuple[str, int]]


class RunStore(Protocol):
    """Leases run on database time. `attempt` fences: what an older attempt writes is refused."""

    async def get(self, tenant_id: str, run_id: str) -> Run | None: ...

    async def of_message(self, message_id: str) -> list[Run]: ...

    async def open_in(self, room_id: str) -> list[Run]:
        """The runs of a room that are not ended."""

    async def page(self, room_id: str, page: Page) -> list[Run]:
        """The runs of a room, newest first."""

    async def claim(self, run_id: str, worker: str, lease_ms: int) -> Run | None:
        """Take the run and begin its next attempt; None when somebody holds it, it has ended, or
        another run of its lane goes first."""

    async def renew(self, run_id: str, attempt: int, lease_ms: int) -> Run | None:
        """Keep the lease; None when this attempt no longer holds the run. The run tells whether
        its end was asked for (`cancelled_by`)."""

    async def renew_all(self, held: Sequence[tuple[str, int]], lease_ms: int) -> Renewed:
        """Keep many leases, of runs and their attempts; nobody's waits for another's."""

    async def advance(self, run_id: str, attempt: int, lease_ms: int) -> Run | None:
        """Begin the next attempt in the hands of the same worker; None when fenced off."""

    async def peek(self, run_id: str) -> Run | None:
        """A run by its id alone: for workers, who serve every tenant."""

    async def remember(self, run_id: str, attempt: int, memory: Json) -> bool:
        """Keep what the driver must know later; False when fenced off."""

    async def pause(self, run_id: str, attempt: int, pause: Pause) -> Ended | None:
        """Let the run wait; None when fenced off. Past its time it can be claimed again."""

    async def finish(self, run_id: str, attempt: int, reply: Reply) -> Ended | None:
        """End the run and store its message in the same transaction; None when fenced off. A
        reply of a later generation takes the place of the earlier ones."""

    async def cancel(self, tenant_id: str, run_id: str, by: str, at_ms: int) -> list[Ended]:
        """Ask for the end of a run and of those that its reply called. Who is queued or waiting
        ends here; who is running is in the `cut` of the first, and ends by its worker. Who ended
        is `woken` once more, so that a worker ends what it had begun elsewhere."""

    async def end_cancelled(self, run_id: str, at_ms: int) -> Ended | None:
        """End a run whose end was asked for, if nobody works on it."""

    async def again(
        self, tenant_id: str, run_id: str, new: Run, key: RequestKey | None = None
    ) -> Ended | None:
        """Open the next generation of an ended run, with the ids and time of `new`; None when the
        run is open, or a later generation is there. Raises why nothing may be said in its room, or
        not by its model, MODEL_UNAVAILABLE where that is out of use. A request of the same key
        changes nothing more and gets the run that the first has opened."""

    async def made_by(self, key: RequestKey) -> Run | None:
        """The run that a request of this key has opened; Conflict when it had another body."""

    async def take(
        self, tenant_id: str, participant_id: str, run_id: str, worker: str, lease_ms: int
    ) -> Run | None:
        """Begin the next attempt at a run that waits for this participant's own connection."""

    async def offered(self, tenant_id: str, participant_id: str) -> list[Run]:
        """The runs that wait for this participant's own connection."""

    async def due(self, grace_ms: int, limit: int) -> list[str]:
        """Runs to be woken: queued longer than `grace_ms`, running past their lease, waiting past
        their time, or to be cancelled; by turns of the tenants, and of each one's rooms."""

    async def usage(self, tenant_id: str, group_by: str, since_ms: int) -> list[Json]:
        """Runs, tokens and seconds of ended runs, by run, room, participant, model, day or tenant:
        rows of {key, runs, prompt_tokens, completion_tokens, seconds, cost}."""

    async def count_open(self) -> dict[str, int]:
        """How many runs of the whole hub have not ended, by state."""

    async def release_all(self) -> int:
        """End every lease: right only where no other worker can exist. Returns how many."""
