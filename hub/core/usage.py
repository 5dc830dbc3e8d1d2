"""What stateless completions have used, summed up by the hour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

HOUR_MS: Final = 3_600_000


class Consumer(NamedTuple):
    """Who used which model in which hour; `hour_ms` is when that began."""

    tenant_id: str
    hour_ms: int
    key_id: str
    participant_id: str
    model: str


@dataclass(frozen=True, slots=True)
class Consumed:
    """How much; sums can be added."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    ms: int = 0

    def __add__(self, other: Consumed) -> Consumed:
        return Consumed(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost + other.cost,
            self.ms + other.ms,
        )
