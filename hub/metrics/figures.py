"""All that is told of a process, and of those it shares its port with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import Metric

from hub.metrics.families import gauge
from hub.metrics.parts import of_parts
from hub.metrics.process import of_process
from hub.metrics.siblings import Siblings
from hub.parts import Parts, Tell

PROCESS = "process"


class Figures:
    """`tell` adds what stands on the parts of this process, as `parts.tellers` do."""

    def __init__(self, parts: Parts, *tell: Tell, siblings: Siblings | None = None) -> None:
        self._parts = parts
        self._tell = tell
        self._siblings = siblings

    def own(self) -> list[Metric]:
        """What this process tells of itself; never waits."""
        found = [*of_process(self._parts.pulse.lag_s), *of_parts(self._parts)]
        for tell in (*self._tell, *self._parts.tellers):
            found += tell()
        return found

    async def all(self) -> list[Metric]:
        """Of all processes that share the port, each by its number, whichever of them is asked."""
        if self._siblings is None:
            return self.own()
        return together(await self._siblings.ask(self.own()))


def together(told: Mapping[int, Sequence[Metric] | None]) -> list[Metric]:
    """One family of each name, with a label for the process; None for one that did not answer."""
    up = {str(number): float(families is not None) for number, families in told.items()}
    merged = {
        "hub_process_up": gauge(
            "hub_process_up",
            "1 for each process of this port that answered within a second. One that stays at 0 "
            "is blocked or crashes again and again: see the log.",
            up,
            PROCESS,
        )
    }
    for number, families in told.items():
        for family in families or ():
            one = merged.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for name, labels, value, *_ in family.samples:
                one.add_sample(name, {PROCESS: str(number)} | labels, value)
    return list(merged.values())
