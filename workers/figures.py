"""What a pool has done since it began, as plain numbers, and what Prometheus is told of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client import Metric

from hub.core.histogram import Histogram
from hub.core.values import Run
from hub.metrics.families import counter, gauge, histogram

WAIT_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
RUN_S: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)


class WorkCounts:
    """Noted once for a claim, a flush and an end."""

    def __init__(self) -> None:
        self.attempts = self.lost = 0
        self.flushed = self.dropped = 0
        self.tokens: Counter[str] = Counter(prompt=0, completion=0)
        self.queue_s = Histogram(WAIT_S)
        self.first_delta_s = Histogram(WAIT_S)
        self.run_s = Histogram(RUN_S)

    def claimed(self, run: Run) -> None:
        """An attempt has begun. How long it waited is told by the first alone: later ones waited
        for something else."""
        self.attempts += 1
        if run.attempt == 1 and run.started_ms is not None:
            self.queue_s.observe(_seconds(run.created_ms, run.started_ms))

    def ended(self, run: Run) -> None:
        """A run has come to its end here."""
        if run.finished_ms is None:
            return
        self.run_s.observe(_seconds(run.created_ms, run.finished_ms))
        if run.first_delta_ms is not None:
            self.first_delta_s.observe(_seconds(run.created_ms, run.first_delta_ms))
        for kind in self.tokens:
            self.tokens[kind] += (run.usage or {}).get(f"{kind}_tokens", 0)


def _seconds(began_ms: int, ended_ms: int) -> float:
    return max(0, ended_ms - began_ms) / 1000


def of_pool(counts: WorkCounts, working: int, most: int, resting: int) -> Iterator[Metric]:
    """`working` runs of at most `most`; `resting` endpoints are left alone."""
    yield gauge("hub_worker_runs", "Runs that this pool works on now.", working)
    yield gauge(
        "hub_worker_runs_max",
        "Runs it takes at once (HUB_WORKER_RUNS). When all are taken and hub_run_queue_seconds "
        "rises, start another roomhub workers.",
        most,
    )
    yield counter(
        "hub_run_attempts_total",
        "Attempts that were begun. Many more than hub_runs_ended_total: workers die, or lose their "
        "leases; see their logs.",
        counts.attempts,
    )
    yield counter(
        "hub_leases_lost_total",
        "Attempts given up because another worker had taken the run: this one was paused, or the "
        "database away, for longer than HUB_LEASE_S.",
        counts.lost,
    )
    yield from _times(counts)
    yield from _text(counts)
    yield gauge(
        "hub_endpoints_resting",
        "Models, bots and agents that failed five times in a row and are left alone for 10 s.",
        resting,
    )


def _times(counts: WorkCounts) -> Iterator[Metric]:
    yield histogram(
        "hub_run_queue_seconds",
        "From a mention to the first attempt. When it rises, workers are missing or full, or the "
        "run waits behind another of its thread or session.",
        counts.queue_s,
    )
    yield histogram(
        "hub_run_first_delta_seconds",
        "From a mention to the first word of the reply, as people wait for it. Less "
        "hub_run_queue_seconds it is the model's.",
        counts.first_delta_s,
    )
    yield histogram(
        "hub_run_seconds",
        "From a mention to the end of its run, what waited for a person included.",
        counts.run_s,
    )


def _text(counts: WorkCounts) -> Iterator[Metric]:
    yield counter(
        "hub_deltas_flushed_total",
        "Pieces of replies that were shown while they were written.",
        counts.flushed,
    )
    yield counter(
        "hub_deltas_dropped_total",
        "Pieces that were not shown because Redis was away; the stored reply has them.",
        counts.dropped,
    )
    yield counter(
        "hub_run_tokens_total",
        "Tokens of runs, counted by the model's server or estimated. By tenant and model: "
        "GET /v1/usage.",
        counts.tokens,
        "kind",
    )
