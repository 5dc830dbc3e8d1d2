"""`tests.skips`: a run fails when a test was skipped for a reason that nobody has listed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.skips import Skip, fault_of, load_skips
from tests.support.sessions import run_session

HERE = Path(__file__).parent
CONFTEST = """
from tests.skips import Skip, SkipGuard

def pytest_configure(config):
    listed = [
        Skip("the moon", "the moon is not full", "test_"),
        Skip("no shell", "there is no shell", "test_", programs=("sh",)),
    ]
    config.pluginmanager.register(SkipGuard(listed))
"""
LISTED = """
import pytest

@pytest.mark.skip(reason="the moon is new")
def test_by_mark(): ...

def test_by_call():
    pytest.skip("the moon is half full")

@pytest.mark.xfail(reason="the moon is new", strict=True)
def test_expected(): assert False

def test_that_runs(): ...
"""
UNLISTED = """
import pytest

@pytest.mark.skip(reason="too slow")
def test_by_mark(): ...

@pytest.mark.skipif("True", reason="the wind")
def test_by_condition(): ...

def test_by_call():
    pytest.skip("today")

@pytest.fixture
def away():
    pytest.skip("not here")

def test_by_fixture(away): ...

@pytest.mark.xfail(reason="broken")
def test_expected(): assert False

@pytest.mark.xfail(reason="mended")
def test_expected_and_passing(): ...

def test_expected_by_call():
    pytest.xfail("half way")

def test_though_it_is_there():
    pytest.skip("no shell to be found")

def test_that_runs(): ...
"""
MODULES = {
    "test_whole.py": "import pytest\npytest.skip('all of it', allow_module_level=True)\n",
    "test_import.py": "import pytest\npytest.importorskip('no_such_module')\n",
}
REFUSED = (
    "test_it.py::test_by_mark was skipped: 'too slow', but this is not in skips.toml",
    "test_it.py::test_by_condition was skipped: 'the wind', but",
    "test_it.py::test_by_call was skipped: 'today', but",
    "test_it.py::test_by_fixture was skipped: 'not here', but",
    "test_it.py::test_expected was expected to fail: 'broken', but",
    "test_it.py::test_expected_and_passing was expected to fail: 'mended', but",
    "test_it.py::test_expected_by_call was expected to fail: 'half way', but",
    "test_it.py::test_though_it_is_there was skipped: 'no shell to be found', but sh is there",
    "test_whole.py was skipped: 'all of it', but",
    "test_import.py was skipped: \"could not import 'no_such_module'",
)


@pytest.mark.slow
def test_a_run_whose_skips_are_listed_passes(tmp_path: Path) -> None:
    session = run_session(tmp_path, {"conftest.py": CONFTEST, "test_it.py": LISTED})
    assert (0, False) == (session.status, "skips that may not be" in session.output)


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["0", "2"])
def test_every_other_skip_is_named_and_fails_the_run(tmp_path: Path, processes: str) -> None:
    files = {"conftest.py": CONFTEST, "test_it.py": UNLISTED, **MODULES}
    session = run_session(tmp_path, files, "-n", processes)
    assert 1 == session.status
    assert [] == [line for line in REFUSED if line not in session.output]
    assert len(REFUSED) == session.output.count(", but ")


@pytest.mark.slow
def test_a_run_of_nothing_but_a_skipped_module_fails(tmp_path: Path) -> None:
    files = {"conftest.py": CONFTEST, "test_whole.py": MODULES["test_whole.py"]}
    assert 1 == run_session(tmp_path, files).status


def test_a_reason_is_good_in_its_place_alone() -> None:
    listed = [Skip("no nginx", "there is none", "tests/deploy/")]
    assert fault_of("tests/deploy/test_a.py::test_a", "no nginx here", listed) is None
    assert fault_of("tests/store/test_a.py::test_a", "no nginx here", listed) is not None
    assert fault_of("tests/deploy/test_a.py::test_a", "here is no nginx", listed) is not None


def test_a_module_that_can_be_imported_is_there() -> None:
    listed = [Skip("no", "it is missing", "tests/", module="pytest")]
    assert "pytest is there" == fault_of("tests/test_a.py::test_a", "no", listed)


@pytest.mark.parametrize("path", sorted(HERE.rglob("test_*.py")), ids=lambda path: path.stem)
def test_every_reason_written_in_a_test_is_listed(path: Path) -> None:
    """Those that do not occur on this machine included."""
    node = path.relative_to(HERE.parent).as_posix()
    listed = load_skips()
    assert [] == [
        words
        for words in _reasons(ast.parse(path.read_text()))
        if not any(skip.covers(node, words) for skip in listed)
    ]


def _reasons(tree: ast.AST) -> Iterator[str]:
    """The words given to `skip`, `skipif` and `xfail`, as far as they are written there."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _name(call) in ("skip", "skipif", "xfail"):
            given = [k.value for k in call.keywords if k.arg == "reason"]
            for words in given or ([] if _name(call) == "skipif" else call.args[:1]):
                if isinstance(words, ast.Constant) and isinstance(words.value, str):
                    yield words.value


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""
