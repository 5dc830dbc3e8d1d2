"""What stateless completions have used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hub.core.governor import Budget
from hub.core.usage import Consumed, Consumer
from hub.core.values import Json


class CompletionStore(Protocol):
    async def admit(self, tenant_id: str, at_ms: int, budget: Budget) -> str | None:
        """Count one more against the runs of the tenant's day, or say why the budget allows no
        further one."""

    async def add(self, used: Mapping[Consumer, Consumed]) -> None:
        """Add to the sums, and to what the tenants' budgets have spent."""

    async def usage(self, tenant_id: str, group_by: str, since_ms: int) -> list[Json]:
        """Sums by participant, model, key, day or tenant: rows of {key, completions,
        prompt_tokens, completion_tokens, seconds, cost}, from the hour of `since_ms`."""
