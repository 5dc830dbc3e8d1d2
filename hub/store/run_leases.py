"""Leases of runs, on database time and fenced by attempt: who may work which, and who is due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from hub.core.values import Json, Run
from hub.ports import Renewed
from hub.store.queries import Rows, fetch, json_text
from hub.store.rows import RUN_TEXT, run_of_text

_OVER: Final = "state IN ('running', 'waiting') AND lease_until_ms < now_ms()"
_FIRST: Final = """NOT EXISTS (SELECT 1 FROM runs AS other
    WHERE other.lane = runs.lane AND other.id <> runs.id AND (other.state IN ('running', 'waiting')
    OR (other.state = 'queued' AND other.id < runs.id)))"""
# The flag is 1 to one database and 'true' to the other.
_PAUSED: Final = """EXISTS (SELECT 1 FROM rooms WHERE rooms.id = runs.room_id
    AND CAST(rooms.settings ->> 'paused' AS TEXT) IN ('1', 'true'))"""
_CLAIMABLE: Final = f"((state = 'queued' AND NOT {_PAUSED}) OR ({_OVER})) AND {_FIRST}"
"""Queued where the room is not paused, abandoned, or waiting past its time; and first in its
lane."""

_BEGIN: Final = """UPDATE runs SET state = 'running', attempt = attempt + 1, worker = $2,
    started_ms = now_ms(), lease_until_ms = now_ms() + $3"""
_CLAIM: Final = f"{_BEGIN} WHERE id = $1 AND {_CLAIMABLE} RETURNING {RUN_TEXT}"
# It waits no longer: when its bot goes away it is worked anew, not too late.
_TAKE: Final = f"""{_BEGIN}, awaits = NULL WHERE id = $1 AND tenant_id = $4
    AND participant_id = $5 AND state = 'waiting' AND awaits = 'socket' RETURNING {RUN_TEXT}"""
HELD: Final = "id = $1 AND attempt = $2 AND state = 'running'"
"""A run that this attempt is working."""
_RENEW: Final = f"""UPDATE runs SET lease_until_ms = now_ms() + $3
    WHERE {HELD} RETURNING {RUN_TEXT}"""
_HELD_BY: Final = """id = ANY($1) AND state = 'running'
    AND id || '/' || CAST(attempt AS TEXT) = ANY($2)"""
"""Runs that these attempts are working."""
_RENEW_ALL: Final = f"""UPDATE runs SET lease_until_ms = now_ms() + $3 WHERE id IN (
    SELECT id FROM runs WHERE {_HELD_BY} ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING {RUN_TEXT}"""
_STILL_HELD: Final = f"SELECT id, attempt FROM runs WHERE {_HELD_BY}"
_ADVANCE: Final = f"""UPDATE runs SET attempt = attempt + 1, lease_until_ms = now_ms() + $3
    WHERE {HELD} RETURNING {RUN_TEXT}"""
_REMEMBER: Final = f"UPDATE runs SET memory = $3 WHERE {HELD} RETURNING 1"

# By turns of tenants, and within each of its rooms: nobody waits behind a crowd.
_DUE: Final = f"""WITH late AS (
    SELECT id, tenant_id, created_ms,
    row_number() OVER (PARTITION BY room_id ORDER BY created_ms, id) AS turn
    FROM runs WHERE finished_ms IS NULL AND (
    (cancelled_by IS NOT NULL AND state IN ('queued', 'waiting'))
    OR ((state = 'queued' AND created_ms < now_ms() - $1 OR {_OVER}) AND {_CLAIMABLE}))
), turns AS (
    SELECT id, created_ms,
    row_number() OVER (PARTITION BY tenant_id ORDER BY turn, created_ms, id) AS turn FROM late
) SELECT id FROM turns ORDER BY turn, created_ms, id LIMIT $2"""


def _one(rows: Rows) -> Run | None:
    return run_of_text(rows[0]) if rows else None


def claim(connection: Connection, run_id: str, worker: str, lease_ms: int) -> Run | None:
    """See `RunStore.claim`."""
    return _one(fetch(connection, _CLAIM, run_id, worker, lease_ms))


def take(
    connection: Connection,
    tenant_id: str,
    participant_id: str,
    run_id: str,
    worker: str,
    lease_ms: int,
) -> Run | None:
    """See `RunStore.take`."""
    at = (run_id, worker, lease_ms, tenant_id, participant_id)
    return _one(fetch(connection, _TAKE, *at))


def renew(connection: Connection, run_id: str, attempt: int, lease_ms: int) -> Run | None:
    """See `RunStore.renew`."""
    return _one(fetch(connection, _RENEW, run_id, attempt, lease_ms))


def renew_all(connection: Connection, held: Sequence[tuple[str, int]], lease_ms: int) -> Renewed:
    """See `RunStore.renew_all`. A run that is being changed is passed over: it ends, or is there
    a second later."""
    ids, attempts = [run_id for run_id, _ in held], [f"{run_id}/{n}" for run_id, n in held]
    kept = [run_of_text(row) for row in fetch(connection, _RENEW_ALL, ids, attempts, lease_ms)]
    missing = set(held) - {(run.id, run.attempt) for run in kept}
    if missing:
        missing -= {(str(i), int(n)) for i, n in fetch(connection, _STILL_HELD, ids, attempts)}
    return Renewed(kept, frozenset(missing))


def advance(connection: Connection, run_id: str, attempt: int, lease_ms: int) -> Run | None:
    """See `RunStore.advance`."""
    return _one(fetch(connection, _ADVANCE, run_id, attempt, lease_ms))


def remember(connection: Connection, run_id: str, attempt: int, memory: Json) -> bool:
    """See `RunStore.remember`."""
    return bool(fetch(connection, _REMEMBER, run_id, attempt, json_text(memory)))


def due(connection: Connection, grace_ms: int, limit: int) -> list[str]:
    """See `RunStore.due`."""
    return [str(run_id) for (run_id,) in fetch(connection, _DUE, grace_ms, limit)]
