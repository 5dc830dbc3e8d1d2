"""`roomhub audit`: who did what, for whoever has to keep or search it."""

from __future__ import annotations

import asyncio
import csv
import re
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated, Final, Literal

import orjson
import typer

from hub.cli.pipes import piped
from hub.cli.reach import DataDir, Key, Reached, Stop, Url, reach, refusals
from hub.cli.show import printable
from hub.client import RoomhubClient, open_client
from hub.core.times import parse_rfc3339
from hub.core.values import Json

COLUMNS: Final = ("id", "at", "actor_id", "key_id", "action", "object_id", "detail")
APART_MS: Final = 60_000
"""Records are in the order of their ids, which processes make by clocks of their own."""
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)

audit = typer.Typer(no_args_is_help=True, help="Who did what: keys, people, sessions, models.")


@audit.callback()
def _group() -> None:
    """Who did what: keys, people, sessions, models."""


@audit.command("export")
def export_audit(
    since: Annotated[
        str | None, typer.Option(help="From this day or time on: 2030-01-31, 2030-01-31T12:00:00Z.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Before this day or time; days begin at 00:00 UTC.")
    ] = None,
    form: Annotated[
        Literal["jsonl", "csv"], typer.Option("--format", help="One JSON object a line, or CSV.")
    ] = "jsonl",
    url: Url = None,
    data_dir: DataDir = None,
    key: Key = None,
) -> None:
    """The audit log of the tenant to standard output, newest first, such as for jq or a file; needs
    an admin's key. It says who did what with which key, never what was said."""
    since_ms, until_ms = _time("--since", since), _time("--until", until)
    if since_ms is not None and until_ms is not None and since_ms >= until_ms:
        raise Stop("--since must be before --until")
    hub = reach(data_dir, url, key)
    with piped(), refusals(hub):
        asyncio.run(_export(hub, since_ms, until_ms, form))


def _time(option: str, given: str | None) -> int | None:
    """Milliseconds since 1970."""
    if given is None:
        return None
    try:
        return parse_rfc3339(f"{given}T00:00:00Z" if _DAY.fullmatch(given) else given)
    except ValueError:
        raise Stop(
            f"{option} {printable(given)}: must be a day such as 2030-01-31, or a time with its "
            "offset such as 2030-01-31T12:00:00Z"
        ) from None


def _writer(form: str) -> Callable[[Json], None]:
    """Writes one record a line."""
    if form == "jsonl":
        return lambda record: print(orjson.dumps(record).decode())
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(COLUMNS)

    def write(record: Json) -> None:
        detail = orjson.dumps(record["detail"]).decode()
        rows.writerow([*(record[name] for name in COLUMNS[:-1]), detail])

    return write


async def _export(hub: Reached, since_ms: int | None, until_ms: int | None, form: str) -> None:
    async with open_client(hub.address, hub.key) as client:
        if (await client.me())["role"] != "tenant_admin":
            raise Stop("the audit log is for a tenant_admin: give the key of one with --key")
        write = _writer(form)
        async with aclosing(_between(client, since_ms, until_ms)) as records:
            async for record in records:
                write(record)


async def _between(
    client: RoomhubClient, since_ms: int | None, until_ms: int | None
) -> AsyncGenerator[Json, None]:
    """Page by page, no further than to where all is too old."""
    async for record in client.audit():
        at_ms = parse_rfc3339(record["at"])
        if since_ms is not None and at_ms < since_ms - APART_MS:
            return
        if (since_ms is None or at_ms >= since_ms) and (until_ms is None or at_ms < until_ms):
            yield record
