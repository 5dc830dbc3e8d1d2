"""What a server costs: computing time and memory of its processes, read from Linux's /proc.

Deliveries a second depend on what else the machine does; computing time for each much less.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_TICKS_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_PARENT, _USER, _SYSTEM, _RESIDENT = 1, 11, 12, 21  # after the name, see proc(5)


def _stat(pid: int) -> list[str]:
    """The fields of a process behind its name; empty when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def family(pid: int) -> tuple[int, ...]:
    """A process and all that descend from it."""
    pids = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]
    parents = {each: int(stat[_PARENT]) for each in pids if (stat := _stat(each))}
    found = [pid]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return tuple(found)


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds that these processes have computed so far, in all their threads."""
    stats = [stat for pid in pids if (stat := _stat(pid))]
    return sum(int(stat[_USER]) + int(stat[_SYSTEM]) for stat in stats) / _TICKS_S


def memory_bytes(pids: Iterable[int]) -> int:
    """What these processes hold in memory, shared pages counted in each."""
    return sum(int(stat[_RESIDENT]) for pid in pids if (stat := _stat(pid))) * _PAGE_BYTES
