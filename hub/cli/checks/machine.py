"""What the system allows a process: open files, of which every WebSocket takes one."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final

from hub.cli.checks.finding import Finding, doubtful, failed, well
from hub.cli.lock import running_pid
from hub.cli.serving import HTTP_SOCKETS
from hub.settings import Settings

PART: Final = "open files"
OTHERS: Final = 200  # the database, Redis, logs, listeners
LEAST: Final = 256


async def check_files(settings: Settings) -> list[Finding]:
    """Of the hub that runs, else of what would be started from here."""
    try:
        pid = running_pid(settings.data_dir)
    except OSError:
        pid = None
    limit = None if pid is None else limit_of(pid)
    whose = "here"
    if limit is None:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    else:
        whose = f"of process {pid}"
    return [judge(limit, whose, settings.max_connections)]


def judge(limit: int, whose: str, connections: int) -> Finding:
    """Whether so many open files are enough for all connections that are let in."""
    needed = connections + HTTP_SOCKETS + OTHERS
    todo = f"ulimit -n {needed} before the start, LimitNOFILE={needed} in systemd"
    if limit in (resource.RLIM_INFINITY, -1) or limit >= needed:
        return well(PART, f"as many as {connections} connections need")
    said = f"at most {limit} {whose}, and HUB_MAX_CONNECTIONS={connections} takes {needed}"
    return failed(PART, said, todo) if limit < LEAST else doubtful(PART, said, todo)


def limit_of(pid: int) -> int | None:
    """The soft limit of a process; None where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("Max open files"):
            soft = line.split()[3]
            return int(soft) if soft.isdecimal() else -1
    return None
