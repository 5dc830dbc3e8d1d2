"""What a check has found, and the checks run side by side, each for so long and no longer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from hub.core.values import Json

WITHIN_S: Final = 10.0
Status = Literal["ok", "warning", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: which part it is about, how that is, and what to do next where it is not well."""

    part: str
    status: Status
    said: str
    todo: str = ""

    def as_dict(self) -> Json:
        return {
            "check": self.part, "status": self.status, "said": self.said,
            "next": self.todo or None,
        }  # fmt: skip


def well(part: str, said: str) -> Finding:
    return Finding(part, "ok", said)


def doubtful(part: str, said: str, todo: str) -> Finding:
    return Finding(part, "warning", said, todo)


def failed(part: str, said: str, todo: str) -> Finding:
    return Finding(part, "failed", said, todo)


Check = Callable[[], Awaitable[list[Finding]]]


@dataclass(frozen=True, slots=True)
class Examined:
    """Everything found, in the order of the checks; `stuck` when one of them has not ended, so that
    its thread would keep the process."""

    findings: tuple[Finding, ...]
    stuck: bool = False

    @property
    def status(self) -> Status:
        """That of the worst."""
        found = {finding.status for finding in self.findings}
        return "failed" if "failed" in found else "warning" if "warning" in found else "ok"


def examine(checks: Mapping[str, Check], within_s: float = WITHIN_S) -> Examined:
    """Run the checks, by the part that each is about, on a thread and a loop of its own: what a
    network or a disk does not answer holds up nothing else."""
    found: dict[str, list[Finding]] = {}

    def run(part: str, check: Check) -> None:
        try:
            found[part] = asyncio.run(_bounded(check, within_s))
        except TimeoutError:
            found[part] = [late(part, within_s)]
        except Exception as error:
            found[part] = [_unexpected(part, error)]

    threads = {
        part: threading.Thread(target=run, args=(part, check), daemon=True)
        for part, check in checks.items()
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + within_s + 1
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    stuck = any(thread.is_alive() for thread in threads.values())
    lines = [each for part in checks for each in found.get(part, [late(part, within_s)])]
    return Examined(tuple(lines), stuck)


async def _bounded(check: Check, within_s: float) -> list[Finding]:
    async with asyncio.timeout(within_s):
        return await check()


def _unexpected(part: str, error: Exception) -> Finding:
    if isinstance(error, OSError) and error.filename is not None:
        said = f"{error.filename}: {error.strerror}"
        return failed(part, said, "say this as the user who runs the hub, or give it to that user")
    said = f"the check ended with {type(error).__name__}"
    return failed(part, said, "this is a fault of roomhub itself; please report it")


def late(part: str, within_s: float) -> Finding:
    """What did not answer at all."""
    return failed(
        part, f"no answer within {within_s:g} s",
        "see whether its machine, disk or network is there, and a firewall lets it through",
    )  # fmt: skip
