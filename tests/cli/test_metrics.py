"""`GET /metrics` where there are several processes: gateways on one port, workers of their own; and
while what they need is away."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis import Redis

from hub.bench.cpu import family
from tests.support.cluster import Cluster, run_cluster
from tests.support.figures import Scraped, scrape
from tests.support.hub import HubProcess

WAIT_S = 30.0
PATIENCE_S = 3.0  # more than a process waits for its siblings
PORT = re.compile(r"metrics are served.*?(http://127[\d.:]+)/metrics")


@dataclass
class Shared:
    """Two gateways on one port, and the pool."""

    cluster: Cluster
    hub: HubProcess
    workers: str

    @property
    def gateways(self) -> list[int]:
        assert self.hub.process is not None
        return sorted(set(family(self.hub.process.pid)) - {self.hub.process.pid})

    def scrape(self) -> Scraped:
        return scrape(self.hub.address)

    def until(self, holds: Callable[[Scraped], bool], address: str = "") -> Scraped:
        """Ask until it holds; one that does not answer may have been stopped by the test."""
        deadline = time.monotonic() + WAIT_S
        while True:
            with contextlib.suppress(httpx.ReadTimeout):
                found = scrape(address or self.hub.address, PATIENCE_S)
                if holds(found):
                    return found
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    folder: Path = tmp_path_factory.mktemp("metrics")
    with run_cluster(folder, gateways=0) as cluster:
        hub = HubProcess(folder / "hub", cluster.env, command="gateway")
        cluster.gateways.append(hub.start("--processes", "2"))
        with run_workers(folder, cluster) as address:
            yield Shared(cluster, hub, address)


@contextlib.contextmanager
def run_workers(folder: Path, cluster: Cluster) -> Iterator[str]:
    """Where a pool of its own tells what it does."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")} | dict(cluster.env)
    process = subprocess.Popen(
        [sys.executable, "-m", "hub.cli", "workers", "--metrics-port", "0"],
        env=env | {"HUB_DATA_DIR": str(folder / "workers")},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said, told = list[str](), threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                said.append(line)
                if "workers are ready" in line:
                    told.set()

    threading.Thread(target=listen, daemon=True).start()
    try:
        assert told.wait(WAIT_S), said
        found = PORT.search("".join(said))
        assert found, said
        yield found[1]
        process.terminate()
        assert 0 == process.wait(WAIT_S), said
    finally:
        process.kill()
        process.wait()


def test_what_shares_a_port_with_others_has_another_for_its_figures(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")} | {
        "HUB_DATABASE_URL": "postgresql://127.0.0.1:1/none", "HUB_REDIS_URL": "redis://127.0.0.1:1",
        "HUB_SECRET_KEY": "secret", "HUB_DATA_DIR": str(tmp_path), "HUB_METRICS_PORT": "8123",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "hub.cli", "gateway", "--processes", "2", "--port", "8123"],
        env=env, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip
    assert 1 == done.returncode
    assert "HUB_METRICS_PORT must be another port than --port" in done.stderr


def make_room(hub: HubProcess) -> str:
    """With a persona that answers."""
    persona = {"type": "persona", "id": "persona_eliza", "name": "Eliza"}
    with hub.client() as client:
        driver = {"kind": "model", "model": "builtin/eliza"}
        client.post("/v1/participants", json=persona | {"driver": driver}).raise_for_status()
        body = {"name": "Shared", "initial_members": [{"type": "persona", "id": persona["id"]}]}
        made = client.post("/v1/rooms", json=body).raise_for_status()
    return str(made.json()["data"]["id"])


def test_whichever_process_is_asked_all_are_told(shared: Shared) -> None:
    room_id = make_room(shared.hub)
    for number in range(20):
        with shared.hub.client() as client:  # a connection each: the kernel spreads them
            body = {"content": f"number {number}"}
            client.post(f"/v1/rooms/{room_id}/messages", json=body).raise_for_status()
    for _ in range(8):
        found = shared.scrape()
        by_process = [
            found.value("hub_posts_total", outcome="stored", process=number) for number in "01"
        ]
        assert 20 == sum(by_process)
        assert min(by_process) > 0
        assert 2 == found.value("hub_process_up") == found.value("hub_bus_up")


def test_workers_tell_on_a_port_of_their_own(shared: Shared) -> None:
    room_id = make_room_with_question(shared)
    found = shared.until(lambda f: f.value("hub_run_seconds_count") == 1, shared.workers)
    assert 1 == found.value("hub_runs_ended_total", state="succeeded")
    assert found.value("hub_run_tokens_total") > 0
    assert not found.has("hub_connections")
    assert room_id not in str(found.families)
    assert 404 == httpx.get(f"{shared.workers}/healthz", trust_env=False).status_code
    of_gateways = shared.scrape()
    assert 1 == of_gateways.value("hub_runs_queued_total")
    assert not of_gateways.has("hub_worker_runs")


def make_room_with_question(shared: Shared) -> str:
    with shared.hub.client() as client:
        rooms = client.get("/v1/rooms").raise_for_status().json()["data"]["items"]
        room_id = str(rooms[0]["id"])
        body = {"content": "@eliza I need a rest"}
        client.post(f"/v1/rooms/{room_id}/messages", json=body).raise_for_status()
    return room_id


def test_while_nobody_answers_them_they_answer(shared: Shared) -> None:
    """PostgreSQL and Redis stand still: nothing of a scrape waits for them, and it says so."""
    with Redis.from_url(shared.cluster.env["HUB_REDIS_URL"]) as client:
        valkey = int(client.info("server")["process_id"])
    postgres = shared.cluster.postgres.process
    assert postgres is not None
    frozen = [valkey, *family(postgres.pid)]
    try:
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        for address in (shared.hub.address, shared.workers):
            found = shared.until(
                lambda f: f.value("hub_database_up") == f.value("hub_bus_up") == 0, address
            )
            assert not found.has("hub_runs_open")
        assert 2 == shared.until(lambda f: f.value("hub_bus_deaf") == 2).value("hub_process_up")
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    for address in (shared.hub.address, shared.workers):
        shared.until(lambda f: f.value("hub_database_up") >= 1 <= f.value("hub_bus_up"), address)


def test_a_process_that_stands_still_is_told_by_the_other(shared: Shared) -> None:
    stopped, _ = shared.gateways
    os.kill(stopped, signal.SIGSTOP)
    try:
        found = shared.until(lambda f: f.value("hub_process_up") == 1)
    finally:
        os.kill(stopped, signal.SIGCONT)
    (one,) = {sample.labels["process"] for sample in found.families["hub_posts"].samples}
    assert 1 == found.value("hub_process_up", process=one)
    shared.until(lambda f: f.value("hub_process_up") == 2)
