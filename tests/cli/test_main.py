"""`hub.cli.main`: a command that serves ends with one line and, where nobody expected it, a log."""

from __future__ import annotations

import pytest
import structlog.testing

from hub.cli.main import one_line
from hub.cli.reach import Stop
from hub.process import CannotStart


def test_what_keeps_a_hub_from_starting_is_one_line() -> None:
    with (
        structlog.testing.capture_logs() as told,
        pytest.raises(Stop, match=r"^the port is in use$"),
        one_line(),
    ):
        raise CannotStart("the port is in use")
    assert [] == told


def test_what_ends_a_hub_unexpectedly_is_in_the_log_with_where_it_came_from() -> None:
    with (
        structlog.testing.capture_logs() as told,
        pytest.raises(Stop, match=r"^ended by ExceptionGroup, see the log$"),
        one_line(),
    ):
        raise ExceptionGroup("unhandled errors in a TaskGroup", [KeyError("a name")])
    assert [("critical", True)] == [(each["log_level"], each["exc_info"]) for each in told]
