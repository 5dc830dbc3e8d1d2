"""`roomhub up`: what can be wrong is one clear line, and nothing is left running."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.hub import HubProcess, run_hub

DRAIN_S = 15.0


def _up(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `roomhub up` where it cannot start."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")} | env
    return subprocess.run(
        [sys.executable, "-m", "hub.cli", "up", *arguments],
        env=clean, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def _engines(hub: HubProcess) -> list[int]:
    """The Valkey servers that the hub's process has started."""
    assert hub.process is not None
    listed = Path(f"/proc/{hub.process.pid}/task/{hub.process.pid}/children").read_text()
    return [int(pid) for pid in listed.split()]


def _gone(pid: int) -> bool:
    """Whether a process has ended (a zombie nobody waits for has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _wait_gone(pid: int, within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while not _gone(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return _gone(pid)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = _up("--port", port, "--data-dir", str(tmp_path))
    assert (1, "") == (ended.returncode, ended.stdout)
    assert [f"roomhub: 127.0.0.1:{port} is in use; choose another with --port"] == (
        ended.stderr.splitlines()
    )


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = _up("--port", "0", "--data-dir", str(tmp_path / "file" / "data"))
    assert ended.returncode == 1
    assert "cannot be written" in ended.stderr
    assert "HUB_DATA_DIR" in ended.stderr
    assert 1 == len(ended.stderr.splitlines())


def test_a_data_directory_of_another_hub_names_that_hub(tmp_path: Path) -> None:
    with run_hub(tmp_path) as hub:
        ended = _up("--port", "0", "--data-dir", str(tmp_path))
        assert ended.returncode == 1
        assert hub.address in ended.stderr
        assert 1 == len(ended.stderr.splitlines())


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"HUB_REDIS_URL": "redis://u:secret@127.0.0.1:1"}, "redis://u:…@127.0.0.1:1: Redis does"),
        ({"HUB_DATABASE_URL": "mysql://x/y"}, "HUB_DATABASE_URL: mysql: is not supported"),
        ({"HUB_DATABASE_URL": "postgresql://u:p@h:port/d"}, "HUB_DATABASE_URL: that is no such"),
        ({"HUB_CONFIG": "/nowhere/hub.toml"}, "HUB_CONFIG: there is no file /nowhere/hub.toml"),
    ],
)
def test_a_setting_that_does_not_work_is_named(
    tmp_path: Path, env: dict[str, str], said: str
) -> None:
    ended = _up("--port", "0", "--data-dir", str(tmp_path), **env)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert 1 == len(ended.stderr.splitlines())


def test_a_callable_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text('[callables]\nreports = "nowhere:write"\n')
    config = {"HUB_CONFIG": str(tmp_path / "hub.toml"), "HUB_DATABSE_URL": "x"}
    ended = _up("--port", "0", "--data-dir", str(tmp_path / "data"), **config)
    assert ended.returncode == 1
    unread, *_, told = ended.stderr.splitlines()
    assert "HUB_DATABSE_URL is set, but there is no such setting" == unread
    assert told.startswith("roomhub: setting callables.reports: nowhere cannot be imported")
    assert "Traceback" not in ended.stderr


def test_a_database_that_is_newer_or_none_at_all_is_refused(tmp_path: Path) -> None:
    with run_hub(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "hub.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    ended = _up("--port", "0", "--data-dir", str(tmp_path))
    assert ended.returncode == 1
    assert "revision 9999" in ended.stderr
    (tmp_path / "hub.db").write_bytes(os.urandom(8192))
    for name in ("hub.db-wal", "hub.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    ended = _up("--port", "0", "--data-dir", str(tmp_path))
    assert ended.returncode == 1
    assert "file is not a database" in ended.stderr
    assert 1 == len(ended.stderr.splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_hub_that_ends_leaves_no_engine_and_starts_again_with_everything(
    tmp_path: Path, how: signal.Signals
) -> None:
    hub = HubProcess(tmp_path).start()
    assert hub.process is not None
    with hub.client() as client:
        client.post("/v1/rooms", json={"name": "Kept"}).raise_for_status()
    engines = _engines(hub)
    assert 1 == len(engines)
    began = time.monotonic()
    hub.process.send_signal(how)
    status = hub.process.wait(DRAIN_S)
    assert time.monotonic() - began < DRAIN_S
    assert (-9 if how == signal.SIGKILL else 0) == status
    assert all(_wait_gone(pid) for pid in engines)
    with run_hub(tmp_path) as again, again.client() as client:
        names = [room["name"] for room in client.get("/v1/rooms").json()["data"]["items"]]
    assert ["Kept", "Design Review"] == names
