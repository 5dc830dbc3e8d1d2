"""The data directory: can it be written, does anybody else read it, has its disk room."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub.cli.checks.finding import Finding, doubtful, failed, well
from hub.settings import Settings

PART: Final = "data directory"
DISK: Final = "disk"
LEAST: Final = 64 * 1024**2  # SQLite's log alone takes 18 MB
LITTLE: Final = 1024**3
_MB: Final = 1_000_000
_PRIVATE: Final = ("admin.key", "secret.key")


async def check_folder(settings: Settings) -> list[Finding]:
    """Nothing is made but a file without a name, which is gone at once."""
    folder = settings.data_dir
    there = _nearest(folder)
    found = [*_writable(folder, there), *_private(folder)]
    return [*(found or [well(PART, f"{folder} can be written")]), *_room(there)]


def _nearest(folder: Path) -> Path:
    """The folder, or where it would be made."""
    return next((each for each in (folder, *folder.absolute().parents) if each.exists()), folder)


def _writable(folder: Path, there: Path) -> Iterator[Finding]:
    todo = "give it to the user who runs the hub, or set HUB_DATA_DIR to another"
    if not there.is_dir():
        yield failed(PART, f"{there} is no directory", "set HUB_DATA_DIR to one")
    elif there != folder and not os.access(there, os.W_OK | os.X_OK):
        yield failed(PART, f"{folder} is not there and cannot be made in {there}", todo)
    elif there != folder:
        yield well(PART, f"{folder} is not there yet; the first start makes it")
    else:
        try:
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(b"roomhub")
        except OSError as error:
            yield failed(PART, f"{folder} cannot be written ({error.strerror})", todo)


def _private(folder: Path) -> Iterator[Finding]:
    for name in _PRIVATE:
        path = folder / name
        if path.is_file() and path.stat().st_mode & 0o077:
            yield doubtful(PART, f"others on this machine may read {path}", f"chmod 600 {path}")


def _room(there: Path) -> Iterator[Finding]:
    try:
        free, files = shutil.disk_usage(there).free, os.statvfs(there)
    except OSError as error:
        yield doubtful(DISK, f"that of {there} cannot be asked ({error.strerror})", "see df")
        return
    said = f"{free // _MB} MB are free where {there} is"
    todo = "make room there, or move the data directory to a larger disk"
    if free < LEAST:
        yield failed(DISK, said, todo)
    elif files.f_files and not files.f_favail:
        yield failed(DISK, f"no file can be made where {there} is: its inodes are used up", todo)
    elif free < LITTLE:
        yield doubtful(DISK, said, todo)
    else:
        yield well(DISK, said)
