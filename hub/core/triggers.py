"""Which runs a message starts, given what was read under the locks of its transaction.

Pure. `Ground` is what the store read; it is kept up to date as the messages of a batch are decided
in order, so that the second of two knows what the first has done. `Effects` is what to write.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from hub.core.governor import Budget, Limits, Spent, budget_over, budget_warning, chain_over
from hub.core.ids import is_ai
from hub.core.values import Json, Run, WhenBusy

TENANT = "tenant"


@dataclass(frozen=True, slots=True)
class Summons:
    """An AI participant that a message asks to answer, with the ids its run and reply will have.

    `in_thread`: only if it has taken part in the thread. `held`: why it may not, known before.
    `busy`: what becomes of it while the participant is writing another reply there.
    """

    participant_id: str
    run_id: str
    reply_message_id: str
    params: Json = field(default_factory=dict)
    in_thread: bool = False
    busy: WhenBusy = "queue"
    held: str | None = None


class Cause(NamedTuple):
    """Where a message stands in the chain since a human spoke: its depth and the human message."""

    depth: int
    root_message_id: str


@dataclass(frozen=True, slots=True)
class Call:
    """A message with everything that decides what it starts. `thread_id` is None for a root;
    `calls` are the AI participants it speaks to, whether they have a driver or not."""

    tenant_id: str
    room_id: str
    message_id: str
    thread_id: str | None
    author_id: str
    at_ms: int
    cause: Cause
    summons: tuple[Summons, ...] = ()
    calls: tuple[str, ...] = ()
    budget: Budget | None = None

    @property
    def root_id(self) -> str:
        return self.thread_id or self.message_id


@dataclass(frozen=True, slots=True)
class Lane:
    """The runs of a lane that are not ended: the one that is written, the newest that is queued,
    and the one that waits for a person or an answer."""

    running: str | None = None
    queued: str | None = None
    waiting: str | None = None


@dataclass(slots=True)
class Ground:
    """What was read: AI replies by human message, runs of a pair lately by room and pair, who took
    part in which thread, lanes, runs that await a person by thread, what is spent by tenant and
    scope (a room's id, or TENANT)."""

    replies: dict[str, int] = field(default_factory=dict)
    exchanges: dict[tuple[str, str, str], int] = field(default_factory=dict)
    engaged: set[tuple[str, str]] = field(default_factory=set)
    lanes: dict[str, Lane] = field(default_factory=dict)
    awaiting: dict[str, list[Run]] = field(default_factory=dict)
    spent: dict[tuple[str, str], Spent] = field(default_factory=dict)


@dataclass(slots=True)
class Effects:
    """What to write beside the runs: counts of replies, who was addressed by which message, runs
    to be cut short, those of them that nobody works on, runs a person has answered, runs counted
    against budgets, and what runs are marked with that bring one near its end."""

    replies: dict[str, int] = field(default_factory=dict)
    addressed: dict[tuple[str, str], tuple[str, Cause]] = field(default_factory=dict)
    interrupted: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    resumed: list[Run] = field(default_factory=list)
    spent: dict[tuple[str, str], int] = field(default_factory=dict)
    warnings: dict[str, Json] = field(default_factory=dict)


def pair_of(room_id: str, one: str, other: str) -> tuple[str, str, str]:
    """A room and two participants, whoever called."""
    return (room_id, *sorted((one, other)))  # type: ignore[return-value]


def lane_of(room_id: str, thread_id: str, participant_id: str) -> str:
    """Runs of one lane go one after the other: a participant's in a thread, or a session's."""
    return room_id if room_id.startswith("sess_") else f"{thread_id}:{participant_id}"


def decide(call: Call, ground: Ground, effects: Effects, limits: Limits) -> tuple[Run, ...]:
    """The runs of a message, started or held back; a refusal is `refused` of the same message."""
    answered = _resume(call, ground, effects)
    runs: list[Run] = []
    for summons in call.summons:
        here = (call.root_id, summons.participant_id)
        if summons.participant_id in answered or (summons.in_thread and here not in ground.engaged):
            continue
        runs.append(_run(call, summons, ground, effects, limits))
    for participant_id in {*call.calls, *(run.participant_id for run in runs)}:
        effects.addressed[call.room_id, participant_id] = (call.message_id, call.cause)
    if is_ai(call.author_id) and unsummoned(call):
        _count_reply(call.cause.root_message_id, ground, effects)
    return tuple(runs)


def reopen(call: Call, ground: Ground, effects: Effects, limits: Limits) -> str | None:
    """Why the one run of `call` is not tried again; when it is, it is counted like any other.

    A person who tries again begins anew, a machine stays in the chain it is in; budgets hold both.
    """
    (summons,) = call.summons
    over = _chain_over(call, summons, ground, limits) if is_ai(call.author_id) else None
    over = over or _budget_over(call, ground, limits)
    if over is None:
        _start(call, summons, ground, effects, limits)
    return over


def refused(call: Call, ground: Ground, limits: Limits) -> str | None:
    """Why an AI participant's own post may not speak to other AIs that listen by themselves: the
    hub starts no run for those, so this is the only place where it can end their loop."""
    if not is_ai(call.author_id) or not unsummoned(call):
        return None
    root = call.cause.root_message_id
    pairs = [pair_of(call.room_id, call.author_id, other) for other in unsummoned(call)]
    most = max(ground.exchanges.get(pair, 0) for pair in pairs)
    return chain_over(limits, call.cause.depth + 1, ground.replies.get(root, 0), most)


def occupied(call: Call, ground: Ground) -> bool:
    """Whether somebody it asks takes nothing new while a reply is being written."""
    for summons in call.summons:
        lane = ground.lanes.get(lane_of(call.room_id, call.root_id, summons.participant_id), Lane())
        if summons.busy == "reject" and (lane.running or lane.queued):
            return True
    return False


def unsummoned(call: Call) -> list[str]:
    """The AI participants it speaks to for whom no run is started: they listen by themselves."""
    driven = {summons.participant_id for summons in call.summons}
    return [other for other in call.calls if other not in driven and other != call.author_id]


def _resume(call: Call, ground: Ground, effects: Effects) -> set[str]:
    """A person's message in a thread answers the questions that are open there."""
    if is_ai(call.author_id) or call.thread_id is None:
        return set()
    asked = ground.awaiting.pop(call.thread_id, [])
    for run in asked:
        reason = "a person has answered"
        effects.resumed.append(
            replace(run, state="queued", reason=reason, awaits=None, answer_id=call.message_id)
        )
    return {run.participant_id for run in asked}


def _run(call: Call, summons: Summons, ground: Ground, effects: Effects, limits: Limits) -> Run:
    lane_name = lane_of(call.room_id, call.root_id, summons.participant_id)
    lane = ground.lanes.get(lane_name, Lane())
    reason = summons.held or _held_back(call, summons, ground, limits)
    if reason is None and summons.busy == "merge" and lane.queued:
        reason = f"merged into {lane.queued}, which waits to be written"
    started = reason is None
    if started:
        _start(call, summons, ground, effects, limits)
        if summons.busy == "interrupt":
            idle = [run for run in (lane.waiting, lane.queued) if run]
            effects.interrupted += [lane.running, *idle] if lane.running else idle
            effects.idle += idle
        ground.lanes[lane_name] = replace(lane, queued=summons.run_id)
    return Run(
        id=summons.run_id, tenant_id=call.tenant_id, room_id=call.room_id,
        participant_id=summons.participant_id, trigger_message_id=call.message_id, generation=0,
        thread_id=call.root_id, state="queued" if started else "suppressed", reason=reason,
        attempt=0, depth=call.cause.depth + 1, root_message_id=call.cause.root_message_id,
        reply_message_id=summons.reply_message_id, created_ms=call.at_ms,
        finished_ms=None if started else call.at_ms, params=summons.params,
        caller_id=call.author_id, warning=effects.warnings.get(summons.run_id),
    )  # fmt: skip


def _held_back(call: Call, summons: Summons, ground: Ground, limits: Limits) -> str | None:
    return _chain_over(call, summons, ground, limits) or _budget_over(call, ground, limits)


def _chain_over(call: Call, summons: Summons, ground: Ground, limits: Limits) -> str | None:
    exchanges = 0
    if is_ai(call.author_id):
        pair = pair_of(call.room_id, call.author_id, summons.participant_id)
        exchanges = ground.exchanges.get(pair, 0)
    replies = ground.replies.get(call.cause.root_message_id, 0)
    return chain_over(limits, call.cause.depth + 1, replies, exchanges)


def _budget_over(call: Call, ground: Ground, limits: Limits) -> str | None:
    for scope, budget in budgets_of(call.room_id, call.budget, limits):
        spent = ground.spent.get((call.tenant_id, scope), Spent())
        if over := budget_over(whose(scope), budget, spent):
            return over
    return None


def budgets_of(room_id: str, budget: Budget | None, limits: Limits) -> Iterable[tuple[str, Budget]]:
    """The budgets that runs of a room count against, by scope, in lock order."""
    found = [(room_id, budget), (TENANT, limits.budget)]
    return [(scope, each) for scope, each in found if each and each != Budget()]


def whose(scope: str) -> str:
    """What people call a scope."""
    return "tenant" if scope == TENANT else "room"


def _start(call: Call, summons: Summons, ground: Ground, effects: Effects, limits: Limits) -> None:
    """Count a run that is started, and mark it when it brings a budget near its end."""
    _count_reply(call.cause.root_message_id, ground, effects)
    if is_ai(call.author_id):
        pair = pair_of(call.room_id, call.author_id, summons.participant_id)
        ground.exchanges[pair] = ground.exchanges.get(pair, 0) + 1
    for scope, budget in budgets_of(call.room_id, call.budget, limits):
        at = (call.tenant_id, scope)
        before = ground.spent.get(at, Spent())
        after = replace(before, runs=before.runs + 1)
        ground.spent[at] = after
        effects.spent[at] = effects.spent.get(at, 0) + 1
        if warning := budget_warning(whose(scope), budget, before, after):
            effects.warnings[summons.run_id] = warning


def _count_reply(root: str, ground: Ground, effects: Effects) -> None:
    ground.replies[root] = ground.replies.get(root, 0) + 1
    effects.replies[root] = effects.replies.get(root, 0) + 1
