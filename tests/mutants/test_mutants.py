"""The mutants as they stand, without running them: that is `make mutants`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant, load

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", load(), ids=lambda mutant: mutant.name)
def test_a_mutant_still_applies_and_its_tests_are_there(mutant: Mutant) -> None:
    assert [] == mutant.faults(ROOT)


@pytest.mark.parametrize(
    ("file", "find", "replace", "node", "fault"),
    [
        ("hub/gone.py", "x", "y", "tests/test_a.py::test_a", "there is no file hub/gone.py"),
        ("hub/a.py", "z", "y", "tests/test_a.py::test_a", "its text occurs 0 times in hub/a.py"),
        ("hub/a.py", "1", "2", "tests/test_a.py::test_a", "its text occurs 2 times in hub/a.py"),
        ("hub/a.py", "x = 1", "x = 1", "tests/test_a.py::test_a", "it changes nothing"),
        ("hub/a.py", "x = 1", "x = (", "tests/test_a.py::test_a", "what it makes is no Python"),
        ("hub/a.py", "x = 1", "x = 3", "tests/test_a.py::test_b", "there is no test test_b"),
        ("hub/a.py", "x = 1", "x = 3", "tests/test_b.py::test_a", "there is no file tests/test_b"),
    ],
)
def test_a_mutant_that_no_longer_applies_says_why(
    tmp_path: Path, file: str, find: str, replace: str, node: str, fault: str
) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "hub" / "a.py").write_text("x = 1\ny = 1\n")
    (tmp_path / "tests" / "test_a.py").write_text("def test_a() -> None: ...\n")
    (found,) = Mutant("m", "a guard", file, find, replace, (node,)).faults(tmp_path)
    assert found.startswith(fault)


@pytest.mark.parametrize(
    "fields",
    ["", 'guard = "g"\nfile = "f"\nfind = "a"\nreplace = "b"\ntest = "t"\nnote = "?"'],
    ids=["nothing", "a field too many"],
)
def test_a_mutant_that_is_not_written_as_it_must_be_is_refused(tmp_path: Path, fields: str) -> None:
    (tmp_path / "one.toml").write_text(f"[broken]\n{fields}\n")
    with pytest.raises(ValueError, match=r"one\.toml: broken"):
        load(tmp_path)


def test_two_mutants_of_one_name_are_refused(tmp_path: Path) -> None:
    text = '[same]\nguard = "g"\nfile = "f"\nfind = "a"\nreplace = "b"\ntest = "t"\n'
    (tmp_path / "one.toml").write_text(text)
    (tmp_path / "two.toml").write_text(text)
    with pytest.raises(ValueError, match="two mutants same"):
        load(tmp_path)
