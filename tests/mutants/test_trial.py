"""What counts as caught, on a tree of one guard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.trial import Copy, Pytest, Seen, Verdict, judge

CONFTEST = "def pytest_addoption(parser): parser.addoption('--database')\n"
CHILDREN = "test_children_stay_outside"
GUARD = "def open_to(age):\n    return age >= 18\n"
TESTS = """
import pytest
from hub.guard import open_to

@pytest.fixture
def adult():
    assert open_to(18)

def test_children_stay_outside():
    assert not open_to(17)

def test_somebody_is_asked():
    assert open_to(40)

def test_adults(adult):
    pass

@pytest.mark.skip(reason="not today")
def test_skipped():
    pass
"""


@contextlib.contextmanager
def _tree(root: Path) -> Iterator[Copy]:
    """A tree of one guard and its tests."""
    for folder, name, text in (
        ("hub", "guard.py", GUARD),
        ("tests", "conftest.py", CONFTEST),
        ("tests", "test_guard.py", TESTS),
    ):
        (root / folder).mkdir(exist_ok=True)
        (root / folder / "__init__.py").touch()
        (root / folder / name).write_text(text)
    with contextlib.closing(Pytest(root)) as pytest:
        yield Copy(root, pytest)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    with _tree(tmp_path_factory.mktemp("tree")) as made:
        yield made


def _mutant(replace: str, test: str = CHILDREN, *, hangs: bool = False) -> Mutant:
    node = f"tests/test_guard.py::{test}"
    return Mutant("m", "g", "hub/guard.py", "return age >= 18", replace, (node,), hangs=hangs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("replace", "test", "verdict"),
    [
        ("return True", "test_children_stay_outside", "caught"),
        ("return True", "test_somebody_is_asked", "missed"),
        ("return ages >= 18", "test_children_stay_outside", "unproven"),
        ("return True\nimport nowhere", "test_children_stay_outside", "unproven"),
        ("return False", "test_adults", "unproven"),
        ("return True", "test_skipped", "unproven"),
        ("return True", "test_that_is_gone", "stale"),
    ],
    ids=[
        "fails",
        "passes",
        "no such name",
        "no import",
        "no set-up",
        "skipped",
        "gone",
    ],
)
def test_only_a_test_that_fails_has_caught_a_mutant(
    copy: Copy, replace: str, test: str, verdict: Verdict
) -> None:
    assert verdict == copy.attempt(_mutant(replace, test)).verdict
    assert GUARD == (copy.root / "hub" / "guard.py").read_text()


def test_a_test_that_never_ends_counts_only_where_that_is_how_it_shows() -> None:
    never = Seen("hung", 30)
    assert "unproven" == judge(_mutant("return True"), never).verdict
    assert "caught" == judge(_mutant("return True", hangs=True), never).verdict


@pytest.mark.slow
def test_a_test_that_never_ends_is_ended(tmp_path: Path) -> None:
    with _tree(tmp_path) as copy:
        (tmp_path / "hub" / "guard.py").write_text("import time\ntime.sleep(600)\n")
        assert "hung" == copy.run(_mutant("return True"), limit_s=3).kind


@pytest.mark.slow
def test_mutants_of_the_same_size_in_the_same_second_are_told_apart(copy: Copy) -> None:
    verdicts = [copy.attempt(_mutant(f"return age >= {n}")).verdict for n in (17, 19, 16, 20)]
    assert ["caught", "missed", "caught", "missed"] == verdicts
