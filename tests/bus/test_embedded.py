"""`hub.bus.embedded`: a server of our own, private, and gone when we are."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from redis import Redis

from tests.support.redis import run_server


def test_its_socket_is_for_its_owner_alone(tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        path = Path(server.url.removeprefix("unix://"))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with Redis.from_url(server.url) as client:
            assert client.ping()
            assert client.config_get("save") == {"save": ""}
            assert client.config_get("port") == {"port": "0"}


def test_a_folder_too_deep_for_a_socket_is_replaced_by_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    with run_server(deep) as server:
        assert len(server.url) < 108 + len("unix://")
        assert server.url.startswith(f"unix://{tempfile.gettempdir()}")


def test_it_ends_with_its_context_and_can_start_again(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, Redis.from_url(server.url) as client:
        first = client.info("server")["process_id"]
        server.stop()
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        server.start()
        assert client.info("server")["process_id"] != first


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel kills it on Linux only")
def test_it_dies_with_a_hub_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, time\n"
        "from hub.bus.embedded import run_valkey\n"
        "with run_valkey(pathlib.Path(sys.argv[1])) as url:\n"
        "    print(url, flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout:
        url = parent.stdout.readline().strip()
    with Redis.from_url(url) as client:
        child = int(client.info("server")["process_id"])
    watch = os.pidfd_open(child)
    try:
        parent.send_signal(signal.SIGKILL)
        parent.wait(5)
        gone = subprocess.run(
            [sys.executable, "-c",
             "import select, sys; sys.exit(not select.select([int(sys.argv[1])], [], [], 5)[0])",
             str(watch)],
            pass_fds=[watch], check=False,
        )  # fmt: skip
        assert gone.returncode == 0
    finally:
        os.close(watch)
