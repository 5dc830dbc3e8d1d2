"""`hub.cli.checks.finding`: checks hold up neither each other nor the command."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

from hub.cli.checks.finding import Finding, doubtful, examine, failed, well


async def says(*findings: Finding) -> list[Finding]:
    return list(findings)


async def waits() -> list[Finding]:
    await asyncio.Event().wait()
    raise AssertionError


async def raises(error: Exception) -> list[Finding]:
    raise error


def test_findings_come_in_the_order_of_the_checks_and_the_worst_decides() -> None:
    good, odd, bad = well("a", "1"), doubtful("b", "2", "do"), failed("c", "3", "do")
    both = examine({"a": partial(says, good), "b": partial(says, odd)})
    assert ((good, odd), "warning", False) == (both.findings, both.status, both.stuck)
    assert "failed" == examine({"c": partial(says, bad), "a": partial(says, good)}).status
    assert "ok" == examine({"a": partial(says, good)}).status


def test_what_does_not_answer_fails_in_time_and_the_others_are_told() -> None:
    good = well("b", "1")
    examined = examine({"a": waits, "b": partial(says, good)}, within_s=0.1)
    assert [("a", "failed"), ("b", "ok")] == [(f.part, f.status) for f in examined.findings]
    assert "no answer within 0.1 s" == examined.findings[0].said
    assert not examined.stuck


def test_a_check_whose_thread_hangs_is_left_behind() -> None:
    end = threading.Event()

    async def hangs() -> list[Finding]:
        end.wait()
        return []

    examined = examine({"a": hangs}, within_s=0.1)
    end.set()
    assert examined.stuck
    assert "no answer" in examined.findings[0].said


def test_a_check_that_breaks_is_a_finding_too() -> None:
    denied = PermissionError(13, "Permission denied", "/srv/hub/hub.lock")
    examined = examine({"a": partial(raises, denied), "b": partial(raises, KeyError("x"))})
    assert ["failed", "failed"] == [finding.status for finding in examined.findings]
    assert "/srv/hub/hub.lock: Permission denied" == examined.findings[0].said
    assert "KeyError" in examined.findings[1].said
