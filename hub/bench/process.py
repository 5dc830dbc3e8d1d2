"""Runs the generator in a process of its own, so that it shares no interpreter with the rest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from hub.bench.load import Counted, Load

Drive = Callable[[Load], Counted]  # a load generator, as the benches call it


class BenchError(Exception):
    """Why there is no figure, in one line."""


def run_load(load: Load) -> Counted:
    """Put `load` on its server; returns when all is counted. Raises BenchError."""
    if sys.platform != "linux":
        raise BenchError("the load generator needs Linux (epoll)")
    done = subprocess.run(
        [sys.executable, "-m", "hub.bench.generator"],
        input=load.to_json(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise BenchError(f"the load generator failed: {last}")
    return Counted.from_json(done.stdout)


def faults_of(load: Load, counted: Counted) -> list[str]:
    """What makes a count worthless, whatever the server; empty when it may be told."""
    expected = counted.sent * load.members
    found = {
        f"{counted.failed} connections failed": counted.failed,
        f"{counted.lost} connections were closed by the server": counted.lost,
        f"{counted.refused} messages were refused": counted.refused,
        f"{counted.delivered} of {expected} deliveries came": counted.delivered != expected,
        f"{counted.uneven} connections got another number than was sent": counted.uneven,
        "nothing was sent": not counted.sent,
        f"{counted.acked} of {counted.sent} messages were acknowledged": (
            load.acked and counted.acked != counted.sent
        ),
    }
    faults = [sentence for sentence, bad in found.items() if bad]
    return [*faults, counted.why] if faults and counted.why else faults
