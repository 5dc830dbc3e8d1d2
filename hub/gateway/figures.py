"""What Prometheus is told of a gateway: connections, fan-out, resumes, what was answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import Metric

from hub.gateway import closes
from hub.gateway.gateway import Gateway
from hub.metrics.families import counter, gauge

_FAULTS: Final = (500, 502, 503, 504)
_WATCHED: Final = ("BUDGET_EXCEEDED", "INTERNAL", "RATE_LIMITED")
"""What is told before it has happened: the first time would not show as an increase."""


def of_gateway(gateway: Gateway) -> Iterator[Metric]:
    yield from _connections(gateway)
    yield from _leaving(gateway)
    yield from _fanout(gateway)
    yield from _hearing(gateway)
    yield from _answers(gateway)


def _connections(gateway: Gateway) -> Iterator[Metric]:
    sockets, readers = len(gateway.connections), len(gateway.readers)
    waiting = sum(reader.durable for reader in gateway.readers)
    yield gauge(
        "hub_connections",
        "Who is connected: by WebSocket, as an event stream, waiting for one answer (long poll), "
        "or not authenticated yet.",
        {
            "websocket": sockets,
            "stream": readers - waiting,
            "waiting": waiting,
            "unauthenticated": max(0, len(gateway.seats) - sockets - readers),
        },
        "kind",
    )
    yield gauge(
        "hub_connections_max",
        "Connections this process takes (HUB_MAX_CONNECTIONS); who comes then is closed with "
        "4429. At 80 % add a gateway, or raise it and the limit of open files.",
        gateway.parts.settings.max_connections,
    )
    yield counter(
        "hub_connections_opened_total",
        "Connections that were let in. Many more than usual: clients are cut off and come back, "
        "see hub_websocket_closes_total and the proxy.",
        {"websocket": gateway.counts.sockets, "stream": gateway.counts.streams},
        "kind",
    )
    yield gauge(
        "hub_rooms_followed",
        "Rooms that somebody here follows: subscriptions in Redis, heads checked in the database.",
        len(gateway.fanout.rooms()),
    )


def _leaving(gateway: Gateway) -> Iterator[Metric]:
    closed = gateway.counts.closed
    yield counter(
        "hub_websocket_closes_total",
        "WebSockets that the hub closed, by close code. 4408: too slow; 4429: too many; 1011: no "
        "answer to a ping; 4401 and 4410: keys; 1002, 1007, 1009: a client's error.",
        {str(code): closed[code] for code in sorted({*closes.CODES, *closed})},
        "code",
    )
    pressure = gateway.pressure
    yield counter(
        "hub_evictions_total",
        "Clients cut off for what they did not read: slow over HUB_PENDING_BYTES, stalled for "
        "HUB_STALLED_S, pressure over HUB_PENDING_TOTAL_BYTES. They resume; many at once mean a "
        "network that is too slow, or rooms that are too loud.",
        {
            "slow": closed[closes.SLOW] + gateway.counts.slow_streams,
            "stalled": pressure.stalled,
            "pressure": pressure.relieved,
        },
        "reason",
    )
    yield gauge(
        "hub_pending_bytes",
        "Bytes that wait for clients that are behind.",
        pressure.total,
    )
    yield gauge(
        "hub_pending_bytes_max",
        "Bytes over which the slowest are cut off (HUB_PENDING_TOTAL_BYTES).",
        pressure.most,
    )


def _fanout(gateway: Gateway) -> Iterator[Metric]:
    counts = gateway.counts
    yield counter(
        "hub_deliveries_total",
        "Events of rooms' logs times the clients they were written to: the work of a gateway.",
        counts.deliveries,
    )
    yield counter(
        "hub_client_writes_total",
        "Writes to clients; events of one tick share one.",
        counts.writes,
    )
    yield counter(
        "hub_resumes_total",
        "Clients that came back with a cursor. not_recovered ones were more than 1000 events "
        "behind, or the log is another; they read the rooms anew. Many: see why they stay away.",
        {"recovered": counts.recovered, "not_recovered": counts.unrecovered},
        "outcome",
    )
    yield counter(
        "hub_replayed_events_total",
        "Events read from the log for who came back; read once for all at one position.",
        counts.replayed,
    )


def _hearing(gateway: Gateway) -> Iterator[Metric]:
    counts, fanout = gateway.counts, gateway.fanout
    yield gauge(
        "hub_bus_deaf",
        "1 while rooms are not heard from Redis, and /readyz fails. Events come from the database "
        "within a second: see to Redis, and to the network between.",
        float(fanout.deaf),
    )
    yield counter(
        "hub_bus_reconnects_total",
        "Times that what listens to Redis broke, or was not heard for 2.5 s, and was made again. "
        "More than a few: the network, a proxy's idle timeout, or client-output-buffer-limit.",
        fanout.rebuilt,
    )
    yield counter(
        "hub_gap_repairs_total",
        "Reads of the log for what Redis did not bring, or not yet. Some are normal; as many as "
        "posts mean that publishing or hearing fails.",
        counts.repairs,
    )
    yield counter(
        "hub_gap_events_total",
        "Events that were read for that.",
        counts.repaired,
    )


def _answers(gateway: Gateway) -> Iterator[Metric]:
    counts = gateway.counts
    yield counter(
        "hub_http_responses_total",
        "HTTP answers by status. 5xx: see the log by request id; 503 and 504: the database or a "
        "model's server.",
        {str(status): counts.answered[status] for status in sorted({*_FAULTS, *counts.answered})},
        "status",
    )
    refused = {
        (edge, code): count
        for edge, counted in (("http", counts.failed), ("websocket", counts.refused))
        for code, count in (dict.fromkeys(_WATCHED, 0) | counted).items()
    }
    yield counter(
        "hub_errors_total",
        "What clients were refused, by error code. RATE_LIMITED and BUDGET_EXCEEDED: raise the "
        "limit or talk to who asks; INTERNAL: a fault of the hub, in the log with its request id.",
        refused,
        "edge", "code",
    )  # fmt: skip
