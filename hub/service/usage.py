"""What was used: of stateless completions counted here, of runs counted where they end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Final

import structlog

from hub.core.chat import Usage as Tokens
from hub.core.errors import Denied, Limited
from hub.core.governor import Budget
from hub.core.usage import HOUR_MS, Consumed, Consumer
from hub.core.values import Actor, Json
from hub.enduring import tell
from hub.ports import Clock, Store

FLUSH_S: Final = 0.25
DAY_MS: Final = 24 * HOUR_MS
_RUNS_ONLY: Final = frozenset({"room", "run"})
_COMPLETIONS_ONLY: Final = frozenset({"key"})
_SUMS: Final = (
    "runs", "completions", "prompt_tokens", "completion_tokens", "seconds", "cost",
)  # fmt: skip
log = structlog.get_logger("hub.usage")


class Usage:
    """Counts completions in memory and writes the sums every moment, so that no reply waits for
    the database; a process that is killed loses that moment."""

    def __init__(self, store: Store, budget: Budget, now_ms: Clock) -> None:
        self._store = store
        self._budget = budget
        self._now_ms = now_ms
        self._counted: dict[Consumer, Consumed] = {}
        self._fresh = asyncio.Event()
        self._closed = False
        self.completions = 0
        self.tokens: Counter[str] = Counter()

    async def admit(self, actor: Actor) -> None:
        """Raises BUDGET_EXCEEDED when the tenant's budget allows no further completion today."""
        if self._budget == Budget():
            return
        now = self._now_ms()
        over = await self._store.completions.admit(actor.tenant_id, now, self._budget)
        if over is not None:
            until_s = (DAY_MS - now % DAY_MS) / 1000
            raise Limited(over, code="BUDGET_EXCEEDED", retry_after=until_s)

    def count(self, actor: Actor, model: str, tokens: Tokens, ms: int) -> None:
        """One completion more; never waits."""
        self._count(
            Consumer(actor.tenant_id, self._hour(), actor.key_id, actor.id, model), tokens, ms
        )

    def count_own(
        self, tenant_id: str, participant_id: str, model: str, tokens: Tokens, ms: int
    ) -> None:
        """A completion that the hub itself asked for on a participant's behalf: of no key."""
        self._count(Consumer(tenant_id, self._hour(), "", participant_id, model), tokens, ms)

    def _hour(self) -> int:
        return self._now_ms() // HOUR_MS * HOUR_MS

    def _count(self, consumer: Consumer, tokens: Tokens, ms: int) -> None:
        consumed = Consumed(
            1, tokens.prompt_tokens, tokens.completion_tokens, tokens.cost or 0.0, ms
        )
        self._counted[consumer] = self._counted.get(consumer, Consumed()) + consumed
        self.completions += 1
        self.tokens.update(prompt=tokens.prompt_tokens, completion=tokens.completion_tokens)
        self._fresh.set()

    async def run(self) -> None:
        """Write what was counted, until closed and all is written."""
        while True:
            await self._fresh.wait()
            await self.flush()
            if self._closed:
                await self.flush()  # what was counted while it wrote
                return
            await asyncio.sleep(FLUSH_S)

    def close(self) -> None:
        """Let `run` end."""
        self._closed = True
        self._fresh.set()

    async def flush(self) -> None:
        """Write what was counted; while the database is away it is kept and added to."""
        counted, self._counted = self._counted, {}
        self._fresh.clear()
        if not counted:
            return
        try:
            await self._store.completions.add(counted)
        except Exception as error:
            tell(log, "usage is not stored for now", error)
            for consumer, consumed in counted.items():
                self._counted[consumer] = self._counted.get(consumer, Consumed()) + consumed
            self._fresh.set()

    async def report(self, actor: Actor, group_by: str, since_ms: int) -> list[Json]:
        """What the tenant has used since a time; for admins. Completions count by the hour."""
        if not actor.is_admin:
            raise Denied("usage is for a tenant_admin")
        found: list[Json] = []
        if group_by not in _COMPLETIONS_ONLY:
            found += await self._store.runs.usage(actor.tenant_id, group_by, since_ms)
        if group_by not in _RUNS_ONLY:
            await self.flush()
            found += await self._store.completions.usage(actor.tenant_id, group_by, since_ms)
        return _merged(found)


def _merged(rows: Iterable[Json]) -> list[Json]:
    """One row for each key, in order."""
    sums: dict[str, Counter[str]] = {}
    for row in rows:
        sums.setdefault(row["key"], Counter()).update({n: row.get(n, 0) for n in _SUMS})
    return [{"key": key, **{n: round(sums[key][n], 9) for n in _SUMS}} for key in sorted(sums)]
