"""Both load generators, for tests that hold for either."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from hub.bench.process import Drive, run_load
from tests.bench.quick import NoCompiler, open_quick

STRICT = ("-Wall", "-Wextra", "-Werror")


@pytest.fixture(scope="session")
def quick() -> Iterator[Drive]:
    """The one in C."""
    with ExitStack() as stack:
        try:
            drive = stack.enter_context(open_quick(*STRICT))
        except NoCompiler as missing:
            pytest.skip(str(missing))
        yield drive


@pytest.fixture(params=["python", "c"])
def drive(request: pytest.FixtureRequest) -> Drive:
    found: Drive = run_load if request.param == "python" else request.getfixturevalue("quick")
    return found
