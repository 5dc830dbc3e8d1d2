"""The npm package `ws` as a client that shares no code with us."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.people import Person, add_person, add_room, head_of
from tests.e2e.restarts import LAST, SCRIPT, check, post, restart
from tests.support.hub import HubProcess, run_hub

NPM_S = 120
MAIN = """
import WebSocket from "ws";
const [url, token, room] = process.argv.slice(2);
const story = await follow(WebSocket, url, token, room, %s, () => console.log("joined"));
console.log(JSON.stringify(story));
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="node is not installed"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client beside the package it needs."""
    folder = tmp_path_factory.mktemp("node")
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "ws@8"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=NPM_S)
    if done.returncode:
        pytest.skip(f"npm cannot fetch ws: {done.stderr.strip()[-200:]}")
    script = folder / "resuming.mjs"
    script.write_text(SCRIPT + MAIN % json.dumps(LAST))
    return script


@pytest.fixture
def own_hub(tmp_path: Path) -> Iterator[HubProcess]:
    with run_hub(tmp_path / "data") as hub:
        yield hub


@pytest.fixture
def caller(own_hub: HubProcess) -> Iterator[Person]:
    person = add_person(own_hub, "caller")
    with person.client:
        yield person


def test_ws_resumes_over_a_restart_of_the_hub(
    program: Path, own_hub: HubProcess, caller: Person
) -> None:
    room_id = add_room(caller)
    head = head_of(caller, room_id)
    before, after = [f"before {n}" for n in range(20)], [f"after {n}" for n in range(20)]
    command = ["node", str(program), own_hub.ws_address, caller.key, room_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        try:
            assert "joined\n" == client.stdout.readline()
            post(caller, room_id, *before)
            restart(own_hub)
            post(caller, room_id, *after, LAST)
            lines = client.stdout.read().splitlines()
            assert 0 == client.wait(30)
        finally:
            client.kill()
    check(json.loads(lines[-1]), [*before, *after, LAST], head)
