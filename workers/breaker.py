"""A circuit breaker per endpoint: one that keeps failing is left alone for a while, so that runs
fail at once with a clear word and the endpoint can recover."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hub.core.errors import Backend
from hub.core.values import Json

FAILURES: Final = 5
OPEN_S: Final = 10.0
ENDPOINTS: Final = 10_000


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    open_until: float = 0.0


class Breaker:
    """`clock` gives monotonic seconds. After `FAILURES` failures in a row the circuit is open for
    `OPEN_S`; then one call at a time may try, until one succeeds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._circuits: OrderedDict[str, _Circuit] = OrderedDict()

    @property
    def resting(self) -> int:
        """How many circuits are open."""
        now = self._clock()
        return sum(c.failures >= FAILURES and now < c.open_until for c in self._circuits.values())

    def enter(self, endpoint: str) -> None:
        """Raises Backend, not transient, while the circuit is open."""
        circuit = self._circuits.get(endpoint)
        if circuit is None or circuit.failures < FAILURES:
            return
        now = self._clock()
        if now < circuit.open_until:
            raise Backend(
                "it has failed too often just now; try again in a moment",
                code="MODEL_UNAVAILABLE", retry_after=circuit.open_until - now,
            )  # fmt: skip
        circuit.open_until = now + OPEN_S  # this call tries; the others wait for it

    def failed(self, endpoint: str) -> None:
        circuit = self._circuits.setdefault(endpoint, _Circuit())
        self._circuits.move_to_end(endpoint)
        circuit.failures += 1
        circuit.open_until = self._clock() + OPEN_S
        while len(self._circuits) > ENDPOINTS:
            self._circuits.popitem(last=False)

    def succeeded(self, endpoint: str) -> None:
        self._circuits.pop(endpoint, None)


def endpoint_of(driver: Json) -> str:
    """What fails together: a URL, a model, a callable."""
    about = driver.get("url") or driver.get("model") or driver.get("name") or ""
    return f"{driver['kind']} {about}"
