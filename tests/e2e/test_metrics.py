"""`GET /metrics` of a started hub: figures move by exactly what was done, and name nobody."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.e2e.people import Person, add_person, add_room, finished, head_of
from tests.support.figures import OPENMETRICS, Scraped, read, scrape
from tests.support.hub import HubProcess, run_hub

WAIT_S: Final = 10.0
TOKEN: Final = "read-by-scrapers-only"
UNITLESS: Final = re.compile(r"_(ms|millis|milliseconds|minutes|kb|mb|percent)(_|$)")
LABELS: Final = {
    "outcome", "state", "cap", "code", "kind", "reason", "status", "edge", "model", "le", "version",
    "generation", "implementation", "major", "minor", "patchlevel",
}  # fmt: skip


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """One that nobody else uses: what it counts is ours."""
    with run_hub(tmp_path_factory.mktemp("measured")) as started:
        yield started


@pytest.fixture(scope="module")
def alice(hub: HubProcess) -> Iterator[Person]:
    made = add_person(hub, "alice")
    with made.client:
        yield made


@pytest.fixture(scope="module")
def bob(hub: HubProcess) -> Iterator[Person]:
    made = add_person(hub, "bob")
    with made.client:
        yield made


class Since:
    """How figures have moved since it was made."""

    def __init__(self, hub: HubProcess) -> None:
        self._hub = hub
        self._before = scrape(hub.address)
        self._after = self._before

    def look(self) -> Since:
        self._after = scrape(self._hub.address)
        return self

    def until(self, holds: Callable[[Since], bool]) -> Since:
        deadline = time.monotonic() + WAIT_S
        while not holds(self.look()):
            assert time.monotonic() < deadline, "the figures do not come to it"
            time.sleep(0.02)
        return self

    def __call__(self, name: str, **labels: str) -> float:
        before = self._before
        had = before.value(name, **labels) if before.has(name, **labels) else 0
        return self._after.value(name, **labels) - had

    def now(self, name: str, **labels: str) -> float:
        return self._after.value(name, **labels)


@contextlib.contextmanager
def socket_of(hub: HubProcess, person: Person) -> Iterator[ClientConnection]:
    with connect(hub.ws_address, additional_headers=person.headers, proxy=None) as socket:
        assert "hello" == json.loads(socket.recv())["type"]
        yield socket


def reply(socket: ClientConnection, **command: Any) -> dict[str, Any]:
    socket.send(json.dumps({"id": 1} | command))
    while True:
        said: dict[str, Any] = json.loads(socket.recv(WAIT_S))
        if said["type"] == "reply":
            return said


def hear(socket: ClientConnection, count: int, kind: str = "message.created") -> None:
    while count:
        count -= json.loads(socket.recv(WAIT_S))["type"] == kind


def test_posts_are_counted_by_what_came_of_them_and_by_who_got_them(
    hub: HubProcess, alice: Person, bob: Person
) -> None:
    room_id = add_room(alice, [bob.id])
    path = f"/v1/rooms/{room_id}/messages"
    with socket_of(hub, alice) as first, socket_of(hub, bob) as second:
        for each in (first, second):
            assert reply(each, type="subscribe", room_id=room_id)["ok"]
        since = Since(hub)
        for number in (1, 2, 3, 3):
            body = {"content": f"number {number}", "client_id": f"c{number}"}
            alice.client.post(path, json=body).raise_for_status()
        alice.client.post(path, json={"content": "other", "client_id": "c1"})
        hear(first, 3)
        hear(second, 3)
        since.look()
        assert 2 == since.now("hub_connections", kind="websocket")
        assert since.now("hub_rooms_followed") >= 1
    assert (3, 1, 1) == tuple(
        since("hub_posts_total", outcome=outcome) for outcome in ("stored", "replayed", "refused")
    )
    assert 5 == since("hub_posts_total")
    assert 5 == since("hub_commit_posts_sum") == since("hub_commit_posts_count")
    assert 5 == since("hub_commit_seconds_count") == since("hub_acknowledge_seconds_count")
    assert 3 == since("hub_log_entries_total") == since("hub_bus_packets_published_total")
    assert 6 == since("hub_deliveries_total")
    assert 0 == since("hub_posts_waiting") == since("hub_posts_waiting_bytes")
    assert 4 == since("hub_http_responses_total", status="201")
    assert (1, 1) == (
        since("hub_http_responses_total", status="409"),
        since("hub_errors_total", edge="http", code="IDEMPOTENCY_CONFLICT"),
    )


def test_a_run_is_counted_and_timed_from_the_mention_to_its_end(
    hub: HubProcess, alice: Person
) -> None:
    room_id = add_room(alice, ["persona_poolnoodle"])
    since = Since(hub)
    posted = alice.client.post(
        f"/v1/rooms/{room_id}/messages", json={"content": "@poolnoodle I need a rest"}
    ).raise_for_status()
    run = finished(alice, posted.json()["data"]["runs"][0]["id"])
    assert "succeeded" == run["state"]
    since.until(lambda s: s("hub_run_seconds_count") == 1 and s.now("hub_runs_open") == 0)
    assert (1, 1) == (since("hub_runs_queued_total"), since("hub_run_attempts_total"))
    assert 1 == since("hub_runs_ended_total", state="succeeded") == since("hub_runs_ended_total")
    assert 1 == since("hub_run_queue_seconds_count") == since("hub_run_first_delta_seconds_count")
    assert 0 < since("hub_run_first_delta_seconds_sum") <= since("hub_run_seconds_sum")
    assert since("hub_deltas_flushed_total") >= 1
    for kind in ("prompt", "completion"):
        assert run["usage"][f"{kind}_tokens"] == since("hub_run_tokens_total", kind=kind)
    assert 0 == since.now("hub_worker_runs")


def test_who_comes_back_is_counted_by_whether_everything_could_be_told(
    hub: HubProcess, alice: Person
) -> None:
    room_id = add_room(alice)
    for _ in range(3):
        alice.client.post(f"/v1/rooms/{room_id}/messages", json={"content": "x"})
    head = head_of(alice, room_id)
    since = Since(hub)
    with socket_of(hub, alice) as socket:
        said = reply(socket, type="subscribe", room_id=room_id, since=head - 2)
        assert said["data"]["recovered"]
        hear(socket, 2)
        reply(socket, type="unsubscribe", room_id=room_id)
        said = reply(socket, type="subscribe", room_id=room_id, since=1, epoch="another")
        assert not said["data"]["recovered"]
    since.look()
    assert 1 == since("hub_resumes_total", outcome="recovered")
    assert 1 == since("hub_resumes_total", outcome="not_recovered")
    assert 2 == since("hub_replayed_events_total")
    assert 1 == since("hub_connections_opened_total", kind="websocket")


def test_what_is_refused_is_counted_by_code(hub: HubProcess, alice: Person) -> None:
    since = Since(hub)
    assert 404 == alice.client.get("/v1/rooms/room_nowhere").status_code
    with socket_of(hub, alice) as socket:
        assert not reply(socket, type="subscribe", room_id="room_nowhere")["ok"]
    with connect(hub.ws_address, proxy=None) as stranger, pytest.raises(ConnectionClosed):
        stranger.send('{"type":"auth","token":"rhk_wrong"}')
        stranger.recv(WAIT_S)
    since.until(lambda s: s.now("hub_connections") == 0)
    for edge in ("http", "websocket"):
        assert 1 == since("hub_errors_total", edge=edge, code="ROOM_NOT_FOUND")
    assert 1 == since("hub_http_responses_total", status="404")
    assert 1 == since("hub_websocket_closes_total", code="4401")
    assert 0 == since("hub_evictions_total")


def test_completions_are_counted_with_their_tokens(hub: HubProcess, alice: Person) -> None:
    since = Since(hub)
    asked = {"model": "builtin/echo", "messages": [{"role": "user", "content": "one two"}]}
    answer = alice.client.post("/v1/chat/completions", json=asked).raise_for_status().json()
    since.look()
    assert 1 == since("hub_completions_total")
    for kind in ("prompt", "completion"):
        assert answer["usage"][f"{kind}_tokens"] == since("hub_completion_tokens_total", kind=kind)


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text;version=1.0.0"])
def test_every_family_is_named_by_the_rules_and_says_what_it_means(
    hub: HubProcess, accept: str
) -> None:
    """https://prometheus.io/docs/practices/naming, as promtool checks them, and few labels."""
    found = scrape(hub.address, accept=accept)
    for name, family in found.families.items():
        assert re.fullmatch(r"(hub|process|python)(_[a-z]+)+", name), name
        assert family.documentation.strip(), name
        assert not UNITLESS.search(name), name
        assert family.type != "gauge" or not name.endswith(("_total", "_count", "_sum")), name
        if family.type == "histogram":
            assert name.endswith(("_seconds", "_posts")), name
        for sample in family.samples:
            assert family.type != "counter" or sample.name == f"{name}_total", sample.name
            assert sample.labels.keys() <= LABELS, sample
    for name in ("hub_build_info", "hub_event_loop_lag_seconds_count", "process_cpu_seconds_total"):
        assert found.has(name)
    assert (1, 1, 0) == tuple(
        found.value(name) for name in ("hub_database_up", "hub_bus_up", "hub_bus_deaf")
    )


def test_figures_name_no_room_nobody_and_no_key(
    hub: HubProcess, alice: Person, bob: Person
) -> None:
    room_id = add_room(alice, [bob.id], name="Quiet Room")
    alice.client.post(f"/v1/rooms/{room_id}/messages", json={"content": "a secret"})
    text = httpx.get(f"{hub.address}/metrics", trust_env=False).text
    own = (room_id, alice.id, bob.id, alice.key_id, hub.key, "Quiet Room", "a secret", "persona_")
    assert not [word for word in (*own, "default") if word in text]


def test_head_is_answered_and_what_is_sent_to_it_is_not_possible(hub: HubProcess) -> None:
    with httpx.Client(base_url=hub.address, trust_env=False) as client:
        assert (200, b"") == ((head := client.head("/metrics")).status_code, head.content)
        sent = client.post("/metrics")
        assert 405 == sent.status_code
        assert {"GET", "HEAD"} == set(sent.headers["allow"].split(", "))


def test_a_machine_that_is_another_needs_the_token(tmp_path: Any, hub: HubProcess) -> None:
    """Of its own port they need it too; through a proxy nobody is told without one."""
    forwarded = {"X-Forwarded-For": "192.0.2.1"}
    refused = httpx.get(f"{hub.address}/metrics", headers=forwarded, trust_env=False)
    assert 401 == refused.status_code
    assert "HUB_METRICS_TOKEN" in refused.json()["error"]["message"]
    env = {"HUB_METRICS_TOKEN": TOKEN, "HUB_METRICS_PORT": "0"}
    with run_hub(tmp_path / "hub", env=env) as guarded:
        found = re.search(r"metrics are served.*?(http://[\d.:]+)/metrics", "".join(guarded.output))
        assert found
        for address in (guarded.address, found[1]):
            with httpx.Client(base_url=address, trust_env=False) as client:
                assert 401 == client.get("/metrics").status_code
                headers = forwarded | {"Authorization": f"Bearer {TOKEN}"}
                told: Scraped = read(client.get("/metrics", headers=headers))
                assert 0 == told.value("hub_connections", kind="websocket")
                opened = client.get("/metrics", headers=headers | {"Accept": OPENMETRICS})
                assert OPENMETRICS == opened.headers["content-type"]
        assert 404 == httpx.get(f"{found[1]}/healthz", trust_env=False).status_code
