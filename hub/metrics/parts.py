"""What a hub's parts have done, whoever works on them: posts, the bus, runs, models."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric

from hub.core.runs import ENDED
from hub.metrics.families import counter, gauge, histogram
from hub.models.relay import OUTCOMES
from hub.parts import Parts
from hub.service.publisher import QUEUE_BYTES, QUEUE_PACKETS
from hub.service.writer import WAITING_BYTES, WAITING_POSTS


def of_parts(parts: Parts) -> Iterator[Metric]:
    yield from _posts(parts)
    yield from _bus(parts)
    yield from _runs(parts)
    yield from _models(parts)
    if (up := parts.pulse.database_up) is not None:
        yield gauge(
            "hub_database_up",
            "1 while the database answers within 2 s, asked every 2 s. At 0 nothing is stored and "
            "clients are told STORE_UNAVAILABLE: see to the database, the hub goes on by itself.",
            float(up),
        )


def _posts(parts: Parts) -> Iterator[Metric]:
    counts, (posts, size) = parts.writer.counts, parts.writer.waiting
    yield counter(
        "hub_posts_total",
        "Posts by what came of them. not_stored and unknown: the database failed, look at its log; "
        "turned_away: it is too slow for what comes; refused: the client was told why; replayed: "
        "retries of a stored one. deferred and stale ones are tried again at once.",
        counts.outcomes,
        "outcome",
    )
    yield histogram(
        "hub_commit_seconds",
        "Time of the transaction that stores a batch of posts. It is the disk's or PostgreSQL's: "
        "look there when it rises.",
        counts.commit_s,
    )
    yield histogram(
        "hub_commit_posts",
        "Posts stored by one transaction. Near 500 always means that the database is the bound.",
        counts.batch,
    )
    yield histogram(
        "hub_acknowledge_seconds",
        "From a post's coming to its answer, of the first post of each batch: the longest wait. "
        "Alert on this, then look at hub_commit_seconds and hub_event_loop_lag_seconds.",
        counts.answer_s,
    )
    yield gauge(
        "hub_posts_waiting",
        f"Posts that wait for the next transaction; over {WAITING_POSTS} are turned away.",
        posts,
    )
    yield gauge(
        "hub_posts_waiting_bytes",
        f"Content of posts that are not answered yet; over {WAITING_BYTES} they are turned away.",
        size,
    )
    yield counter(
        "hub_log_entries_total",
        "Entries of rooms' logs that this process committed: messages, runs, members, reactions.",
        parts.publisher.committed,
    )


def _bus(parts: Parts) -> Iterator[Metric]:
    publisher, (packets, size) = parts.publisher, parts.publisher.waiting
    if (up := publisher.unpublished.bus_up) is not None:
        yield gauge(
            "hub_bus_up",
            "1 while Redis takes this process's sign of life, every second. At 0 posts are stored "
            "all the same and seen up to a second later: see to Redis.",
            float(up),
        )
    yield counter(
        "hub_bus_packets_published_total",
        "Packets handed to Redis: one for each room of a batch of posts, and what has no seq.",
        publisher.published,
    )
    yield counter(
        "hub_bus_packets_dropped_total",
        "Packets given up because Redis was away or too slow. Nothing is lost, gateways read the "
        "log instead; when it grows for minutes, see to Redis.",
        publisher.dropped,
    )
    yield counter(
        "hub_bus_rooms_refused_total",
        "Times that a room's server of the cluster did not take what was published. Gateways read "
        "the log instead; see which master is away.",
        publisher.refused,
    )
    yield gauge(
        "hub_bus_packets_waiting",
        f"Packets that Redis has yet to take; over {QUEUE_PACKETS} they are dropped.",
        packets,
    )
    yield gauge(
        "hub_bus_bytes_waiting",
        f"Bytes of packets that Redis has yet to take; over {QUEUE_BYTES} they are dropped.",
        size,
    )


def _runs(parts: Parts) -> Iterator[Metric]:
    counts = parts.publisher.run_counts
    yield counter(
        "hub_runs_queued_total",
        "Runs that a message, a reply or a retry has set off, or an answer resumed. When it grows "
        "and hub_runs_ended_total does not, no worker works: start one, or see its log.",
        counts.queued,
    )
    yield counter(
        "hub_runs_ended_total",
        "Runs by how they ended, counted where the end was committed. suppressed ones were held "
        "back, see hub_runs_held_back_total.",
        dict.fromkeys(sorted(ENDED), 0) | counts.ended,
        "state",
    )
    yield counter(
        "hub_runs_held_back_total",
        "Runs that were not started, by the cap that held them back. depth, replies, exchanges: "
        "AI participants that call each other in circles, see their prompts; budget: raise it or "
        "talk to who spends it (GET /v1/usage); other: a pause, a role, a run they merged into.",
        counts.held,
        "cap",
    )
    yield counter(
        "hub_budget_warnings_total",
        "Runs with which four fifths of a room's or tenant's budget of the day were used.",
        counts.warned,
    )
    yield counter(
        "hub_runs_failed_total",
        "Failed runs by error code. BACKEND_ERROR and BACKEND_TIMEOUT: see the model's, bot's or "
        "agent's server; MODEL_UNAVAILABLE: its key, its quota, or it failed too often just now.",
        counts.failed,
        "code",
    )
    if (open_runs := parts.pulse.open_runs) is not None:
        yield gauge(
            "hub_runs_open",
            "Runs that have not ended, in the whole hub: every process tells the same, so take the "
            "max, never the sum. Many queued for long: workers are missing or full.",
            {"queued": 0, "running": 0, "waiting": 0} | dict(open_runs),
            "state",
        )


def _models(parts: Parts) -> Iterator[Metric]:
    asked = {
        (model, outcome): float(outcomes[outcome])
        for model, outcomes in parts.models.operators.outcomes.items()
        for outcome in OUTCOMES
    }
    yield counter(
        "hub_model_requests_total",
        "Requests to models' servers by outcome, retries and fallbacks too; those that tenants "
        "added are one model, 'tenants'. Errors: see that server; unavailable: its key or quota.",
        asked,
        "model", "outcome",
    )  # fmt: skip
    usage = parts.usage
    yield counter(
        "hub_completions_total",
        "Stateless completions, and titles of sessions, that models were asked for.",
        usage.completions,
    )
    yield counter(
        "hub_completion_tokens_total",
        "Tokens of those; of runs see hub_run_tokens_total. By tenant: GET /v1/usage.",
        {"prompt": 0, "completion": 0} | usage.tokens,
        "kind",
    )
