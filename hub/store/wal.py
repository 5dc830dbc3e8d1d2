"""SQLite's write-ahead log, laid out before the database is opened.

Where a commit makes the file longer, its new length has to reach the disk as well, and it takes
half as long again: until the first checkpoint that is every commit. A log that begins with zeros
is an empty one (https://sqlite.org/fileformat2.html#walformat).
"""

from __future__ import annotations

import glob
import os
import tempfile
from pathlib import Path
from typing import Final

import structlog

CHECKPOINT_PAGES: Final = 4_000
"""When so many wait in the log they are copied into the database, and it is written over."""
_FRAME: Final = 24 + 4_096  # a page behind its header
LENGTH: Final = (CHECKPOINT_PAGES + 500) * _FRAME  # a last batch may go beyond
_AT_ONCE: Final = 1_048_576
log = structlog.get_logger("hub.wal")


def lay_out(database: Path) -> None:
    """Make the log of a database, unless there is one: what that holds is perhaps nowhere else.
    Where it cannot be made it grows as it is needed."""
    path = Path(f"{database}-wal")
    if path.exists():
        return
    try:
        _link_zeros(path, database.stat().st_mode & 0o777)
    except OSError as error:
        log.info("the database's log grows as it is needed", reason=str(error))


def _link_zeros(path: Path, mode: int) -> None:
    """Whole at once and never in place of another: somebody may open the database meanwhile. That
    its name reaches the disk SQLite sees to with the first commit."""
    name = f".{path.name}.draft-"
    for left_behind in path.parent.glob(f"{glob.escape(name)}*"):
        left_behind.unlink(missing_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=name) as draft:
        Path(draft.name).chmod(mode)
        for start in range(0, LENGTH, _AT_ONCE):
            draft.write(bytes(min(_AT_ONCE, LENGTH - start)))
        draft.flush()
        os.fsync(draft.fileno())
        os.link(draft.name, path)
