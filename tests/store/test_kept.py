"""`hub.store.kept`: a mark in a file, which may be missing, cut short, or of another database."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.ports import Mark
from hub.store.kept import KeptMarks


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def test_the_highest_number_of_the_last_database_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "mark.json"
    for mark in (Mark(1, 5), Mark(1, 7), Mark(1, 6)):
        await KeptMarks(path).note(mark)
    assert (7, 0) == (await KeptMarks(path).recall(1), await KeptMarks(path).recall(2))
    await KeptMarks(path).note(Mark(2, 3))
    assert (0, 3) == (await KeptMarks(path).recall(1), await KeptMarks(path).recall(2))
    assert ["mark.json"] == names_in(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"database": 1}', '{"database": "x"}'])
async def test_a_file_that_says_nothing_is_written_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mark.json"
    path.write_text(text)
    assert 0 == await KeptMarks(path).recall(1)
    await KeptMarks(path).note(Mark(1, 5))
    assert 5 == await KeptMarks(path).recall(1)
