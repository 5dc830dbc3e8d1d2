"""What decides which runs a message starts, read and written on either database.

The statements are written once, with `$n` for their values, as generators that yield a statement
and are sent its rows: whoever holds the connection drives them, be it synchronous or not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hub.core.governor import Budget, Limits, Spent, budget_warning
from hub.core.ids import is_ai, ulid
from hub.core.runs import NEWER
from hub.core.times import day_of
from hub.core.triggers import Call, Effects, Ground, Lane, budgets_of, lane_of, pair_of, whose
from hub.core.values import Run
from hub.store.queries import Queries, Rows

_REPLIES: Final = "SELECT replies FROM chains WHERE root_message_id = $1"
_EXCHANGES: Final = """SELECT caller_id, participant_id, count(*) FROM runs
    WHERE room_id = $1 AND id > $2 AND (caller_id = $3 OR participant_id = $3)
    AND state <> 'suppressed' GROUP BY caller_id, participant_id"""
_ENGAGED: Final = """SELECT 1 FROM messages WHERE author_id = $2 AND thread_id = $1
    UNION ALL SELECT 1 FROM messages WHERE author_id = $2 AND id = $1 LIMIT 1"""
# Runs are locked while a message is decided on them: a worker may take one at the same moment.
_LANE: Final = """UPDATE runs SET lane = lane WHERE lane = $1 AND finished_ms IS NULL
    RETURNING id, state"""
_AWAITING: Final = """UPDATE runs SET awaits = awaits
    WHERE thread_id = $1 AND state = 'waiting' AND awaits = 'person'
    RETURNING id, tenant_id, room_id, participant_id, trigger_message_id, generation,
    thread_id, state, reason, attempt, depth, root_message_id, reply_message_id, created_ms"""
_SPENT: Final = """INSERT INTO budgets (tenant_id, scope, day, runs, tokens, ms)
    VALUES ($1, $2, $3, 0, 0, 0)
    ON CONFLICT (tenant_id, scope, day) DO UPDATE SET runs = budgets.runs
    RETURNING runs, tokens, ms"""

_ADD_REPLIES: Final = """INSERT INTO chains (root_message_id, replies, at_ms) VALUES ($1, $2, $3)
    ON CONFLICT (root_message_id) DO UPDATE SET replies = chains.replies + excluded.replies"""
_ADDRESS: Final = """INSERT INTO addressed (room_id, participant_id, message_id, depth,
    root_message_id) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (room_id, participant_id) DO UPDATE
    SET message_id = excluded.message_id, depth = excluded.depth,
    root_message_id = excluded.root_message_id"""
_INTERRUPT: Final = """UPDATE runs SET cancelled_by = $1
    WHERE id = $2 AND finished_ms IS NULL AND cancelled_by IS NULL"""
_RESUME: Final = """UPDATE runs SET state = 'queued', awaits = NULL, lease_until_ms = NULL,
    reason = $1, answer_id = $2 WHERE id = $3 AND state = 'waiting'"""
_ADD_RUNS: Final = """INSERT INTO budgets (tenant_id, scope, day, runs, tokens, ms)
    VALUES ($1, $2, $3, $4, 0, 0)
    ON CONFLICT (tenant_id, scope, day) DO UPDATE SET runs = budgets.runs + excluded.runs"""
_ADD_USE: Final = """INSERT INTO budgets (tenant_id, scope, day, runs, tokens, ms)
    VALUES ($1, $2, $3, 0, $4, $5) ON CONFLICT (tenant_id, scope, day)
    DO UPDATE SET tokens = budgets.tokens + excluded.tokens, ms = budgets.ms + excluded.ms
    RETURNING runs, tokens, ms"""


def read_ground(calls: Iterable[Call], limits: Limits) -> Queries:
    """What `decide` needs to know of these messages, as a `Ground`; budgets last, sorted."""
    ground = Ground()
    calls = list(calls)
    for call in calls:
        yield from _read_chain(call, ground, limits)
        yield from _read_thread(call, ground)
    at_days = {
        (call.tenant_id, scope): day_of(call.at_ms)
        for call in calls
        if call.summons
        for scope, _ in budgets_of(call.room_id, call.budget, limits)
    }
    for at in sorted(at_days):
        ((runs, tokens, ms),) = yield _SPENT, (*at, at_days[at])
        ground.spent[at] = Spent(runs, tokens, ms)
    return ground


def _read_chain(call: Call, ground: Ground, limits: Limits) -> Queries:
    """How often AIs have answered for the same human message, and this pair each other."""
    root = call.cause.root_message_id
    if root != call.message_id and root not in ground.replies:
        found = yield _REPLIES, (root,)
        ground.replies[root] = found[0][0] if found else 0
    if is_ai(call.author_id):
        since = f"run_{ulid(call.at_ms - limits.exchanges_s * 1000, 0)}"
        found = yield _EXCHANGES, (call.room_id, since, call.author_id)
        lately: dict[tuple[str, str, str], int] = {}
        for caller, called, count in found:
            if is_ai(caller):
                pair = pair_of(call.room_id, caller, called)
                lately[pair] = lately.get(pair, 0) + count
        ground.exchanges.update(lately)


def _read_thread(call: Call, ground: Ground) -> Queries:
    """Who took part, what is being written, and who awaits a person."""
    for summons in call.summons:
        here = (call.root_id, summons.participant_id)
        if summons.in_thread and (yield _ENGAGED, here):
            ground.engaged.add(here)
        lane = lane_of(call.room_id, *here)
        if summons.busy != "queue" and lane not in ground.lanes:
            ground.lanes[lane] = _lane((yield _LANE, (lane,)))
    if call.thread_id and not is_ai(call.author_id) and call.thread_id not in ground.awaiting:
        asked = yield _AWAITING, (call.thread_id,)
        ground.awaiting[call.thread_id] = sorted((Run(*row) for row in asked), key=lambda r: r.id)


def _lane(rows: Rows) -> Lane:
    """The newest of each state; at most one is written or waits."""
    newest = {state: run_id for run_id, state in sorted(tuple(row) for row in rows)}
    return Lane(*map(newest.get, ("running", "queued", "waiting")))


def write_effects(effects: Effects, at_ms: int) -> Queries:
    """Everything that planning changed beside messages, runs and the log, in lock order."""
    for run_id in effects.interrupted:
        yield _INTERRUPT, (NEWER, run_id)
    for run in effects.resumed:
        yield _RESUME, (run.reason, run.answer_id, run.id)
    for root, count in sorted(effects.replies.items()):
        yield _ADD_REPLIES, (root, count, at_ms)
    for here, (message_id, cause) in sorted(effects.addressed.items()):
        yield _ADDRESS, (*here, message_id, cause.depth, cause.root_message_id)
    for (tenant_id, scope), count in sorted(effects.spent.items()):
        yield _ADD_RUNS, (tenant_id, scope, day_of(at_ms), count)


def write_use(run: Run, used: Spent, budget: Budget | None, limits: Limits) -> Queries:
    """Count what a run has used against the budgets there are, the room's being `budget`; returns
    what it is marked with when that brings one near its end, else None."""
    warning = None
    day = day_of(run.finished_ms or run.created_ms)
    for scope, cap in budgets_of(run.room_id, budget, limits):
        at = (run.tenant_id, scope, day)
        ((runs, tokens, ms),) = yield _ADD_USE, (*at, used.tokens, used.ms)
        before = Spent(runs, tokens - used.tokens, ms - used.ms)
        after = Spent(runs, tokens, ms)
        warning = budget_warning(whose(scope), cap, before, after) or warning
    return warning
