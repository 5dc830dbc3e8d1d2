"""What a look at a database, at Redis and at the system means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.cli.checks import database, machine, redis
from hub.cli.checks.finding import Finding
from hub.store.look import Look
from hub.store.migrate import revisions

SEEN = Look("PostgreSQL 18.6", revisions()[0], 20, 5_000, connections=(5, 100))


def of(findings: list[Finding], part: str) -> Finding:
    return next(finding for finding in findings if finding.part == part)


def judged(seen: Look, ours_ms: int = 5_000) -> list[Finding]:
    return [*database.judge(seen, "postgresql://db/hub", ours_ms)]


def test_a_database_that_is_well_has_nothing_to_be_done() -> None:
    found = judged(SEEN)
    assert [("database", "ok"), ("schema", "ok"), ("clock", "ok")] == [
        (finding.part, finding.status) for finding in found
    ]
    assert not any(finding.todo for finding in found)


@pytest.mark.parametrize(
    ("changes", "status", "names"),
    [
        ({"standby": True}, "failed", "only reads"),
        ({"encoding": "LATIN1"}, "failed", "LATIN1"),
        ({"may_create": False}, "failed", "may make no tables"),
        ({"connections": (55, 60)}, "warning", "55 of 60 connections"),
    ],
)
def test_a_database_that_cannot_serve_says_why(
    changes: dict[str, Any], status: str, names: str
) -> None:
    found = of(judged(replace(SEEN, **changes)), "database")
    assert status == found.status
    assert names in found.said
    assert found.todo


@pytest.mark.parametrize(
    ("changes", "status", "names"),
    [
        ({"revision": revisions()[1]}, "failed", f"needs {revisions()[0]}"),
        ({"revision": "9999"}, "failed", "does not know"),
        ({"revision": None, "tables": 3}, "failed", "none of them roomhub's"),
        ({"revision": None, "tables": 0}, "ok", "empty"),
    ],
)
def test_a_schema_is_the_newest_or_says_what_it_is(
    changes: dict[str, Any], status: str, names: str
) -> None:
    found = of(judged(replace(SEEN, **changes)), "schema")
    assert status == found.status
    assert names in found.said


@pytest.mark.parametrize(
    ("ours_ms", "status", "names"),
    [
        (6_900, "ok", "goes with ours"),
        (8_000, "warning", "3.0 s behind"),
        (2_000, "warning", "3.0 s ahead"),
        (65_000, "failed", "60.0 s behind"),
    ],
)
def test_a_clock_that_goes_otherwise_is_told(ours_ms: int, status: str, names: str) -> None:
    found = of(judged(SEEN, ours_ms), "clock")
    assert status == found.status
    assert names in found.said


@pytest.mark.parametrize(
    ("about", "status", "names"),
    [
        ({}, "ok", "noeviction"),
        ({"maxmemory": 100_000_000, "used_memory": 50_000_000}, "ok", "50 MB in use of 100 MB"),
        ({"maxmemory": 100_000_000, "used_memory": 95_000_000}, "warning", "95 of 100 MB"),
        ({"maxmemory_policy": "allkeys-lru"}, "warning", "once maxmemory is set"),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 10**8}, "failed", "stream that wakes"),
        ({"maxmemory_policy": "volatile-ttl", "maxmemory": 10**8}, "failed", "tickets"),
    ],
)
def test_a_redis_that_throws_keys_away_is_told(
    about: dict[str, Any], status: str, names: str
) -> None:
    (found,) = redis.memory_of(about, "redis://r/0")
    assert status == found.status
    assert names in found.said
    assert ("ok" == status) == (found.todo == "")


@pytest.mark.parametrize(
    ("about", "status", "names"),
    [
        ({"redis_version": "6.2.14"}, "failed", "Redis 6.2.14"),
        ({"redis_version": "7.0.0"}, "ok", "Redis 7.0.0"),
        ({"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "9.1.2"}, "ok",
         "Valkey 9.1.2"),
        ({"redis_version": "8.10.1"}, "ok", "Redis 8.10.1"),
        ({}, "failed", "too old"),
    ],
)  # fmt: skip
def test_a_redis_without_sharded_pubsub_is_too_old(
    about: dict[str, Any], status: str, names: str
) -> None:
    found = redis.version_of(about, "redis://r/0")
    assert status == found.status
    assert names in found.said


@pytest.mark.parametrize(
    ("limit", "status"), [(100, "failed"), (1_024, "warning"), (22_200, "ok"), (-1, "ok")]
)
def test_open_files_are_counted_against_the_connections_let_in(limit: int, status: str) -> None:
    found = machine.judge(limit, "here", 20_000)
    assert status == found.status
    assert ("ok" == status) == (found.todo == "")


def test_the_filesystem_of_a_file_is_that_of_the_longest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nhost:/x {tmp_path} nfs4 rw 0 0\n")
    assert "nfs4" == database.filesystem_of(tmp_path / "hub.db", mounts)
    assert "ext4" == database.filesystem_of(Path("/etc/hub.db"), mounts)
    assert "" == database.filesystem_of(tmp_path / "hub.db", tmp_path / "nowhere")
