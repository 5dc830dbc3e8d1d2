"""What a process of Linux uses, from /proc."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

MB: Final = 1_000_000


def rss_mb(pid: int) -> float:
    """Its memory now."""
    return _status_mb(pid, "VmRSS")


def peak_mb(pid: int) -> float:
    """The most it used since `forget_peak`."""
    return _status_mb(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status_mb(pid: int, field: str) -> float:
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1_024 / MB
