"""`roomhub audit export`: every record, ready for a pipe."""

from __future__ import annotations

import csv
import io
import os
import secrets
import subprocess
import sys

import orjson
import pytest

from hub.cli.pipes import BROKEN_PIPE
from tests.cli.command import refused, roomhub
from tests.support.hub import HubProcess


def make_keys(hub: HubProcess, count: int) -> list[str]:
    with hub.client() as client:
        return [
            client.post("/v1/api-keys", json={"name": f"k{n}"}).json()["data"]["id"]
            for n in range(count)
        ]


def test_the_log_is_paged_to_its_end_as_lines_of_json_or_csv(hub: HubProcess) -> None:
    made = make_keys(hub, 205)  # more than a page
    lines = roomhub("audit", "export", data_dir=hub.data_dir).out.splitlines()
    records = [orjson.loads(line) for line in lines]
    assert made[::-1] == [each["object_id"] for each in records if each["object_id"] in made]
    assert sorted((each["id"] for each in records), reverse=True) == [e["id"] for e in records]
    table = roomhub("audit", "export", "--format", "csv", data_dir=hub.data_dir).out
    rows = list(csv.DictReader(io.StringIO(table)))
    assert records == [row | {"detail": orjson.loads(row["detail"])} for row in rows]


def test_it_is_cut_by_time(hub: HubProcess) -> None:
    make_keys(hub, 3)
    records = [orjson.loads(line) for line in
               roomhub("audit", "export", data_dir=hub.data_dir).out.splitlines()]  # fmt: skip
    since, until = records[2]["at"], records[0]["at"]
    cut = roomhub("audit", "export", "--since", since, "--until", until, data_dir=hub.data_dir)
    expected = [each for each in records if since <= each["at"] < until]
    assert expected == [orjson.loads(line) for line in cut.out.splitlines()]
    day = records[0]["at"][:10]
    assert "" == roomhub("audit", "export", "--until", day, data_dir=hub.data_dir).out
    assert "" == roomhub("audit", "export", "--since", "2999-01-01", data_dir=hub.data_dir).out


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("--since", "yesterday"), "--since yesterday"),
        (("--until", "2030-01-31T12:00:00"), "offset"),
        (("--since", "2030-01-02", "--until", "2030-01-01"), "--since must be before --until"),
    ],
)
def test_a_time_that_is_none_says_what_would_be(
    hub: HubProcess, arguments: tuple[str, ...], names: str
) -> None:
    assert names in refused(roomhub("audit", "export", *arguments, data_dir=hub.data_dir))


def test_nobody_but_an_admin_reads_it(hub: HubProcess) -> None:
    name = secrets.token_hex(4)
    key = roomhub("keys", "create", name, "--participant", "user_bob", "--json",
                  data_dir=hub.data_dir).json["key"]  # fmt: skip
    for form in ("jsonl", "csv"):
        told = refused(roomhub("audit", "export", "--format", form, "--key", key,
                               data_dir=hub.data_dir))  # fmt: skip
        assert "tenant_admin" in told


def test_a_reader_that_has_enough_ends_it_without_a_word(hub: HubProcess) -> None:
    make_keys(hub, 3)
    out, into = os.pipe()
    os.close(out)  # nobody reads from the beginning
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-m", "hub.cli", "audit", "export", "--data-dir", str(hub.data_dir)],
        env=env, stdout=into, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip
    os.close(into)
    assert (BROKEN_PIPE, "") == (done.returncode, done.stderr)
