"""`roomhub doctor` from outside: on what is well, and with each part broken."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis import Redis
from typer.testing import CliRunner

from hub.bus.embedded import run_valkey
from hub.cli.main import app
from hub.store.database import sqlite_driver
from hub.store.migrate import revisions
from hub.store.opening import prepare
from tests.support.hub import HubProcess, run_hub
from tests.support.issuer import Pair, run_issuer
from tests.support.postgres import PostgresServer
from tests.support.redis import run_server
from tests.support.sentinel import run_watched
from tests.support.shards import run_shards

SECRET = "a-secret-that-nobody-may-see"
WITHIN_S = 25.0


@dataclass(frozen=True)
class Told:
    """What the command said as JSON, and how it ended."""

    status: int
    lines: list[dict[str, Any]]
    text: str

    def of(self, part: str) -> dict[str, Any]:
        return next(line for line in self.lines if line["check"] == part)

    def failed(self) -> list[str]:
        return [line["check"] for line in self.lines if line["status"] == "failed"]


def _run(data_dir: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return subprocess.run(
        [sys.executable, "-m", "hub.cli", "doctor", "--data-dir", str(data_dir), *arguments],
        env=kept | {"HUB_PORT": "1"} | env, capture_output=True, text=True, timeout=WITHIN_S,
        check=False,
    )  # fmt: skip


def doctor(data_dir: Path, *arguments: str, **env: str) -> Told:
    """In this process: to start another takes longer than to look at everything."""
    unset = {name: None for name in os.environ if name.startswith("HUB_")}
    done = CliRunner().invoke(
        app, ["doctor", "--data-dir", str(data_dir), "--json", *arguments],
        env=unset | {"HUB_PORT": "1"} | env,
    )  # fmt: skip
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return _read(done.stdout, done.stderr, done.exit_code)


def doctor_process(data_dir: Path, *arguments: str, **env: str) -> Told:
    done = _run(data_dir, "--json", *arguments, **env)
    return _read(done.stdout, done.stderr, done.returncode)


def _read(out: str, err: str, status: int) -> Told:
    assert "" == err
    said = json.loads(out)
    assert ("failed" == said["status"]) == (status == 1)
    assert SECRET not in out
    for line in said["checks"]:
        assert {"check", "status", "said", "next"} == set(line)
        assert ("ok" == line["status"]) == (line["next"] is None)
        assert "\n" not in line["said"]
    return Told(status, said["checks"], out)


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> str:
    """A database of the newest schema, behind a password."""
    url = postgres.create_database("doctor", template="blank")
    assert postgres.password in url
    return url


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_valkey(tmp_path_factory.mktemp("doctors-valkey")) as url:
        yield url


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


# Well.


def test_a_running_hub_on_the_embedded_default_is_well(hub: HubProcess) -> None:
    told = doctor(hub.data_dir)
    assert [] == told.failed()
    for part in ("settings", "data directory", "database", "schema", "redis", "redis memory",
                 "pub/sub", "hub"):  # fmt: skip
        assert "ok" == told.of(part)["status"], told.of(part)
    assert hub.address in told.of("hub")["said"]
    assert "Valkey" in told.of("redis")["said"]
    assert hub.key not in told.text


def test_a_hub_that_is_down_is_looked_at_and_left_as_it_is(stopped: Path) -> None:
    before = everything(stopped)
    told = doctor_process(stopped)
    assert (0, []) == (told.status, told.failed())
    assert "SQLite" in told.of("database")["said"]
    assert "newest" in told.of("schema")["said"]
    assert "roomhub up" in told.of("hub")["said"]
    assert before == everything(stopped)


def test_before_the_first_start_nothing_is_made(tmp_path: Path) -> None:
    told = doctor(tmp_path / "hub")
    assert (0, []) == (told.status, told.failed())
    assert "the first start makes it" in told.of("database")["said"]
    assert "embedded Valkey" in told.of("redis")["said"]
    assert [] == list(tmp_path.iterdir())


def test_postgresql_and_redis_are_well_and_no_secret_is_said(
    tmp_path: Path, database: str, redis_url: str, postgres: PostgresServer
) -> None:
    with Redis.from_url(redis_url) as client:
        before: Any = client.dbsize()
        told = doctor(tmp_path, HUB_DATABASE_URL=database, HUB_REDIS_URL=redis_url,
                      HUB_SECRET_KEY=SECRET)  # fmt: skip
        assert before == client.dbsize()
    assert (0, []) == (told.status, told.failed())
    for part in ("settings", "database", "schema", "clock", "redis", "redis memory", "pub/sub"):
        assert "ok" == told.of(part)["status"], told.of(part)
    assert postgres.password not in told.text
    assert "none listens on 127.0.0.1:1; --url" in told.of("hub")["said"]


def test_people_get_one_line_for_each_check(tmp_path: Path) -> None:
    done = _run(tmp_path, HUB_REDIS_URL=f"redis://:{SECRET}@127.0.0.1:1/0")
    assert (1, "") == (done.returncode, done.stderr)
    lines = done.stdout.splitlines()
    assert {"ok", "warning", "failed"} >= {line.split()[0] for line in lines}
    (bad,) = [line for line in lines if line.startswith("failed")]
    assert "redis" in bad and " -> " in bad and "HUB_REDIS_URL" in bad
    assert SECRET not in done.stdout


# Broken.


def test_a_setting_that_is_wrong_is_named(tmp_path: Path) -> None:
    told = doctor(tmp_path, HUB_PORT="eighty")
    assert (1, ["settings"]) == (told.status, told.failed())
    assert "HUB_PORT" in told.of("settings")["said"]


def test_settings_that_will_not_do_what_is_meant_are_told(tmp_path: Path, redis_url: str) -> None:
    file = tmp_path / "hub.toml"
    file.write_text('[models."acme/big"]\nbase_url = "https://a.example"\napi_key_env = "BIG"\n')
    told = doctor(
        tmp_path, HUB_CONFIG=str(file), HUB_PROT="80", HUB_HOST="0.0.0.0",
        HUB_DATABASE_URL="postgresql://h@127.0.0.1:1/x", HUB_REDIS_URL=redis_url,
    )  # fmt: skip
    said = " ".join(line["said"] for line in told.lines if line["check"] == "settings")
    for each in ("HUB_PROT", "BIG", "HUB_SECRET_KEY", "http://0.0.0.0:1"):
        assert each in said


def test_a_database_that_nothing_can_open_is_told_once(tmp_path: Path) -> None:
    told = doctor(tmp_path, HUB_DATABASE_URL=f"mysql://hub:{SECRET}@h/x")
    assert ["settings"] == told.failed()
    assert "mysql: is not supported" in told.of("settings")["said"]
    assert "database" not in [line["check"] for line in told.lines]


def test_a_data_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = doctor(tmp_path / "file" / "hub")
    assert "data directory" in told.failed()
    told = doctor(Path("/proc"))
    assert "data directory" in told.failed()
    assert "HUB_DATA_DIR" in told.of("data directory")["next"]


def test_a_key_that_others_may_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "admin.key").write_text("rhk_x_y")
    (tmp_path / "admin.key").chmod(0o644)
    told = doctor(tmp_path)
    assert "warning" == told.of("data directory")["status"]
    assert "chmod 600" in told.of("data directory")["next"]


def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    told = doctor(tmp_path, HUB_DATABASE_URL=f"postgresql://hub:{SECRET}@127.0.0.1:1/hub")
    assert ["database"] == told.failed()
    assert "postgresql://127.0.0.1:1/hub" in told.of("database")["said"]
    assert "HUB_DATABASE_URL" in told.of("database")["next"]


def test_a_wrong_password_is_told_and_not_shown(
    tmp_path: Path, postgres: PostgresServer, redis_url: str
) -> None:
    wrong = postgres.url("doctor").replace(postgres.password, SECRET)
    told = doctor(tmp_path, HUB_DATABASE_URL=wrong)
    assert "password authentication failed" in told.of("database")["said"]
    told = doctor(tmp_path, HUB_REDIS_URL=f"{redis_url}?password={SECRET}")
    assert ["redis"] == told.failed()


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "hub.db").write_bytes(b"something else entirely" * 100)
    told = doctor(tmp_path)
    assert ["database"] == told.failed()
    assert "not a database" in told.of("database")["said"]


async def test_an_old_schema_is_told_and_not_upgraded(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    older = revisions()[2]
    prepare(f"sqlite:///{tmp_path / 'hub.db'}")
    with sqlite_driver.connect(tmp_path / "hub.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (older,))
    connection.close()
    url = postgres.create_database("doctors_old", template="blank")
    client = await asyncpg.connect(url)
    await client.execute("UPDATE alembic_version SET version_num = $1", older)
    for told in (doctor(tmp_path), doctor(tmp_path, HUB_DATABASE_URL=url)):
        assert ["schema"] == told.failed()
        assert f"at revision {older}" in told.of("schema")["said"]
        assert "roomhub up" in told.of("schema")["next"]
    assert older == await client.fetchval("SELECT version_num FROM alembic_version")
    await client.close()


def test_who_may_sign_tokens_is_told_and_whether_their_keys_can_be_read(tmp_path: Path) -> None:
    with run_issuer(Pair("ES256", "one"), Pair("RS256", "two")) as issuer:
        names = {
            "HUB_JWT_JWKS_URL": f"{issuer.url}?password={SECRET}", "HUB_JWT_ISSUER": "us",
            "HUB_JWT_AUDIENCE": "hub",
        }  # fmt: skip
        told = doctor(tmp_path, HUB_JWT_SECRET=f"{SECRET} {SECRET}", **names)
        by_secret, by_keys = (each for each in told.lines if each["check"] == "tokens")
        assert "HUB_JWT_SECRET, for the audience hub" in by_secret["said"]
        assert f"one of 2 keys of {issuer.url}" in by_keys["said"]
        issuer.status = 503
        told = doctor(tmp_path, **names)
    assert ["tokens"] == told.failed()
    assert "status 503" in told.of("tokens")["said"]
    assert "HUB_JWT_JWKS_URL" in told.of("tokens")["next"]


def test_what_is_asked_of_tokens_that_nobody_may_sign_is_told(tmp_path: Path) -> None:
    told = doctor(tmp_path, HUB_JWT_AUDIENCE="hub")
    assert "warning" == told.of("tokens")["status"]
    assert "HUB_JWT_AUDIENCE is set, but nobody" in told.of("tokens")["said"]
    assert "tokens" not in {line["check"] for line in doctor(tmp_path).lines}


def test_a_redis_that_is_away_is_told(tmp_path: Path) -> None:
    told = doctor(tmp_path, HUB_REDIS_URL=f"redis://u:{SECRET}@127.0.0.1:1/0")
    assert ["redis"] == told.failed()
    assert "redis://127.0.0.1:1/0" in told.of("redis")["said"]
    assert "HUB_REDIS_URL" in told.of("redis")["next"]


def test_a_redis_that_throws_keys_away_or_carries_nothing_is_told(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, Redis.from_url(server.url) as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.acl_setuser("deaf", enabled=True, passwords=[f"+{SECRET}"], keys=["*"],
                           commands=["+@all", "-ssubscribe"], reset=True)  # fmt: skip
        told = doctor(tmp_path, HUB_REDIS_URL=server.url)
        assert ["redis memory"] == told.failed()
        assert "allkeys-lru" in told.of("redis memory")["said"]
        assert "noeviction" in told.of("redis memory")["next"]
        deaf = f"{server.url}?username=deaf&password={SECRET}"
        told = doctor(tmp_path, HUB_REDIS_URL=deaf)
        assert ["redis memory", "pub/sub"] == told.failed()


def test_what_accepts_and_never_answers_holds_nothing_up(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        told = doctor_process(
            tmp_path, "--url", f"http://{where}", HUB_DATABASE_URL=f"postgresql://h@{where}/x",
            HUB_REDIS_URL=f"redis://{where}",
        )  # fmt: skip
    assert time.monotonic() - began < WITHIN_S
    assert ["database", "redis", "hub"] == told.failed()


def test_a_hub_that_is_not_ready_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "valkey"
    folder.mkdir()
    with (
        run_server(folder) as server,
        run_hub(tmp_path / "hub", env={"HUB_REDIS_URL": server.url}) as hub,
    ):
        server.stop()
        deadline = time.monotonic() + 20
        while (told := doctor(hub.data_dir, HUB_REDIS_URL=server.url)).failed() != ["redis", "hub"]:
            assert time.monotonic() < deadline, told
        assert "lives and is not ready" in told.of("hub")["said"]


def test_another_program_on_the_port_is_told(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(8)
        port = str(other.getsockname()[1])
        told = doctor(tmp_path, HUB_PORT=port)
    assert "warning" == told.of("hub")["status"]
    assert port in told.of("hub")["said"]
    assert "--port" in told.of("hub")["next"]


def test_a_hub_elsewhere_is_asked_by_its_address(hub: HubProcess, tmp_path: Path) -> None:
    told = doctor(tmp_path, "--url", hub.address)
    assert f"{hub.address} lives and is ready" == told.of("hub")["said"]
    told = doctor(tmp_path, HUB_PORT=hub.address.rpartition(":")[2])
    assert "ok" == told.of("hub")["status"]


@pytest.mark.slow
def test_redis_behind_sentinel_and_a_cluster_are_looked_at_as_a_gateway_reaches_them(
    tmp_path: Path,
) -> None:
    with run_watched(tmp_path) as watched:
        told = doctor(tmp_path, HUB_REDIS_URL=watched.url)
        assert "ok" == told.of("pub/sub")["status"]
    folder = tmp_path / "cluster"
    folder.mkdir()
    with run_shards(folder) as cluster:
        told = doctor(tmp_path, HUB_REDIS_URL=cluster.url)
    assert "ok" == told.of("pub/sub")["status"]
    masters = [line["said"] for line in told.lines if line["check"] == "redis"]
    assert 3 == len(masters)
    assert "master 1 of 3" in masters[0]
