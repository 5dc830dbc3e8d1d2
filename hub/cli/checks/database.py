"""The database: does it answer, is its schema the newest, does its clock go with ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub.cli.checks.finding import Finding, doubtful, failed, well
from hub.cli.checks.hiding import hide, place_of
from hub.settings import Settings
from hub.store.lanes import CONNECTIONS
from hub.store.look import LeftInTheMiddle, Look, look, look_at_file
from hub.store.migrate import UnusableDatabase, revisions
from hub.store.opening import SQLITE, is_postgres

PART: Final = "database"
SCHEMA: Final = "schema"
CLOCK: Final = "clock"
APART_S: Final = 2.0
FAR_APART_S: Final = 60.0
_NETWORK: Final = frozenset(
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs"]
)
_MOUNTS: Final = Path("/proc/self/mounts")


async def check_database(settings: Settings) -> list[Finding]:
    """Everything that is to be said of it, nothing of a URL that names none; nothing is written
    and no table made."""
    url = settings.database
    try:
        if not is_postgres(url):
            return _check_file(Path(url.removeprefix(SQLITE)), settings)
    except UnusableDatabase:
        return []  # the check of the settings says so
    try:
        began = time.time()
        seen = await look(url)
        ours_ms = round((began + time.time()) * 500)
    except ImportError:
        return [failed(PART, "what PostgreSQL needs is not installed",
                       "pip install 'roomhub[postgres]'")]  # fmt: skip
    except UnusableDatabase as error:
        return [_unusable(settings, error)]
    return [*judge(seen, place_of(url), ours_ms)]


def _check_file(path: Path, settings: Settings) -> list[Finding]:
    if not path.exists():
        there = path.parent.is_dir() or not settings.database_url
        if not there:
            return [failed(PART, f"there is no folder {path.parent} for SQLite's file",
                           "make it, or correct HUB_DATABASE_URL")]  # fmt: skip
        return [well(PART, f"SQLite, {path} is not there yet; the first start makes it")]
    kind = filesystem_of(path)
    if kind in _NETWORK:
        return [failed(PART, f"SQLite's file {path} is on a network filesystem ({kind})",
                       "move the data directory to a local disk, or use PostgreSQL")]  # fmt: skip
    try:
        seen = look_at_file(path)
    except LeftInTheMiddle as error:
        return [doubtful(PART, str(error), "start the hub, which does so: roomhub up")]
    except UnusableDatabase as error:
        return [failed(PART, hide(error, settings), "restore it from a copy, or move it away")]
    return [*judge(seen, str(path), None)]


def _unusable(settings: Settings, error: UnusableDatabase) -> Finding:
    said = f"{place_of(settings.database)} cannot be used: {hide(error, settings)}"
    return failed(PART, said, "start PostgreSQL, or correct HUB_DATABASE_URL")


def filesystem_of(path: Path, mounts: Path = _MOUNTS) -> str:
    """The kind of filesystem that a file is on; empty where the system does not say."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return ""
    where = path.resolve()
    fitting = [(len(at), kind) for _, at, kind, *_ in lines if where.is_relative_to(at)]
    return max(fitting, default=(0, ""))[1]


def judge(seen: Look, place: str, ours_ms: int | None) -> Iterator[Finding]:
    """What a look at a database means; `ours_ms` is the time here in that moment."""
    faults = [*_faults(seen, place)]
    yield from faults or [well(PART, f"{seen.server}, {place}")]
    yield _schema(seen)
    if seen.clock_ms is not None and ours_ms is not None:
        yield _clock((seen.clock_ms - ours_ms) / 1000)


def _faults(seen: Look, place: str) -> Iterator[Finding]:
    if seen.standby:
        said = f"{place} follows another server and only reads"
        yield failed(PART, said, "let HUB_DATABASE_URL name the primary")
    if seen.encoding != "UTF8":
        todo = "make another with: createdb --encoding=UTF8 --template=template0"
        yield failed(PART, f"{place} is in {seen.encoding}", todo)
    if not seen.may_create:
        todo = "GRANT CREATE ON SCHEMA public to the user of HUB_DATABASE_URL"
        yield failed(PART, f"{place}: this user may make no tables", todo)
    if seen.connections:
        used, most = seen.connections
        if most - used < CONNECTIONS:
            yield doubtful(
                PART, f"{used} of {most} connections are in use; each process takes {CONNECTIONS}",
                "raise PostgreSQL's max_connections above ten times the number of processes",
            )  # fmt: skip


def _schema(seen: Look) -> Finding:
    newest, *older = revisions()
    if seen.revision == newest:
        return well(SCHEMA, f"at the newest revision, {newest}")
    if seen.revision in older:
        return failed(
            SCHEMA, f"at revision {seen.revision}, and this version of roomhub needs {newest}",
            "make a copy, then start roomhub up or a gateway, which brings it up to date",
        )  # fmt: skip
    if seen.revision is not None:
        return failed(
            SCHEMA, f"at revision {seen.revision}, which this version of roomhub does not know",
            "install the version that wrote it, or a later one",
        )  # fmt: skip
    if seen.tables:
        return failed(SCHEMA, "there are tables, and none of them roomhub's",
                      "let HUB_DATABASE_URL name a database of its own")  # fmt: skip
    return well(SCHEMA, "empty; the first start makes the tables")


def _clock(ahead_s: float) -> Finding:
    apart = f"the database's is {abs(ahead_s):.1f} s {'ahead of' if ahead_s > 0 else 'behind'} ours"
    todo = "keep both machines in time with NTP, such as chrony or systemd-timesyncd"
    if abs(ahead_s) >= FAR_APART_S:
        return failed(CLOCK, apart, todo)
    if abs(ahead_s) >= APART_S:
        return doubtful(CLOCK, apart, todo)
    return well(CLOCK, "the database's goes with ours")
