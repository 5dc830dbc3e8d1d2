"""The data directory belongs to one hub at a time; its lock file says where that hub listens."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


class Locked(Exception):
    """Another hub has the data directory; `address` is where it listens, when it says."""

    def __init__(self, folder: Path, pid: int | None, address: str | None) -> None:
        where = f", listening on {address}" if address else ""
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"the data directory {folder} is in use by {who}{where}")
        self.address = address


@dataclass(slots=True)
class Lock:
    """A held lock."""

    _file: IO[str]

    def tell(self, address: str) -> None:
        """Let commands in other processes find this hub."""
        _write(self._file, {"pid": os.getpid(), "address": address})


def _write(file: IO[str], about: dict[str, Any]) -> None:
    file.seek(0)
    file.truncate()
    json.dump(about, file)
    file.flush()


@contextlib.contextmanager
def hold_lock(folder: Path) -> Iterator[Lock]:
    """Hold the data directory. The kernel lets go of it when this process dies. Raises Locked."""
    path = folder / "hub.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            about = _read(path)
            raise Locked(folder, about.get("pid"), about.get("address")) from None
        _write(file, {"pid": os.getpid()})
        yield Lock(file)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def running_address(folder: Path) -> str | None:
    """Where the hub that holds the data directory listens; None when nobody does."""
    return _running(folder).get("address")


def running_pid(folder: Path) -> int | None:
    """The process of the hub that holds the data directory; None when nobody does."""
    return _running(folder).get("pid")


def _running(folder: Path) -> dict[str, Any]:
    """What the holder of the data directory wrote; empty when nobody holds it."""
    path = folder / "hub.lock"
    if not path.exists():
        return {}
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(path)
    return {}
