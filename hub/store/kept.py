"""How far the database has come, remembered in the data directory, beside whatever database."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hub.ports import Mark


class KeptMarks:
    """`Witness` in one small file, of one database: the last that was used from here."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def recall(self, database: int) -> int:
        found = self._read()
        return found.number if found.database == database else 0

    async def note(self, mark: Mark) -> None:
        if await self.recall(mark.database) >= mark.number:
            return
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"database": mark.database, "number": mark.number}))
        draft.replace(self._path)

    def _read(self) -> Mark:
        try:
            found = json.loads(self._path.read_text())
            return Mark(int(found["database"]), int(found["number"]))
        except (OSError, ValueError, KeyError, TypeError):  # not there, or cut short with its disk
            return Mark(0, 0)
