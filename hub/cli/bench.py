"""`roomhub bench`: measure a running hub from outside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from hub.bench import fanout as fanning
from hub.bench import opening
from hub.bench import post as posting
from hub.bench import runs as running
from hub.bench.cpu import family
from hub.bench.process import BenchError
from hub.bench.stage import Api, Tell, open_api
from hub.cli.lock import running_address, running_pid
from hub.settings import SettingsError, load

app = typer.Typer(no_args_is_help=True, help="Measure a running hub.")
told = Console(stderr=True)
Pids = tuple[int, ...]
Measure = Callable[[Api, Pids, Tell], Awaitable[dict[str, Any]]]

Url = Annotated[str | None, typer.Option(help="The hub; default: the one of the data directory.")]
Key = Annotated[str | None, typer.Option(help="An admin's key; default: the data directory's.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where the hub keeps its data.")]
Secs = Annotated[float, typer.Option(min=0.1, help="How long to measure.")]
Size = Annotated[int, typer.Option(min=27, max=30_000, help="Bytes of a message.")]
Keep = Annotated[bool, typer.Option("--keep", help="Leave rooms, participants and keys.")]
AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON instead of a table.")]
Count = Annotated[int, typer.Option(min=1)]
Members = Annotated[int, typer.Option(min=1, help="Connections in each room.")]


@app.command()
def fanout(
    rooms: Count = 10,
    members: Members = 100,
    window: Annotated[int, typer.Option(min=1, help="Posts in flight per room.")] = 4,
    rate: Annotated[float, typer.Option(min=0, help="Posts a second per room instead.")] = 0,
    size: Size = 200,
    secs: Secs = 5,
    settle: Annotated[float, typer.Option(min=0, help="Seconds of rest before.")] = 0.5,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
    keep: Keep = False,
    as_json: AsJson = False,
) -> None:
    """Deliveries a second, and how long from a post to its receipt."""
    shape = fanning.Shape(rooms, members, window, rate, size, secs, settle)
    _run(
        lambda api, pids, tell: fanning.run(api, shape, pids, keep=keep, tell=tell),
        url, key, data_dir, as_json=as_json,
    )  # fmt: skip


@app.command()
def post(
    conns: Count = 50,
    rooms: Count = 10,
    window: Annotated[int, typer.Option(min=1, help="Posts in flight per connection.")] = 4,
    size: Size = 200,
    secs: Secs = 5,
    via: Annotated[Literal["ws", "rest"], typer.Option(help="How posts are sent.")] = "ws",
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
    keep: Keep = False,
    as_json: AsJson = False,
) -> None:
    """Posts a second that are stored and acknowledged."""
    if rooms > conns:
        raise typer.BadParameter("there must be at least as many connections as rooms")
    shape = posting.Posting(conns, rooms, window, size, secs, via)
    _run(
        lambda api, pids, tell: posting.run(api, shape, pids, keep=keep, tell=tell),
        url, key, data_dir, as_json=as_json,
    )  # fmt: skip


@app.command()
def connect(
    rooms: Count = 100,
    members: Members = 10,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """How fast clients come: connected, authenticated, subscribed."""
    _open(opening.Crowd(rooms, members), url, key, data_dir, as_json=as_json)


@app.command()
def idle(
    rooms: Count = 100,
    members: Members = 100,
    secs: Annotated[float, typer.Option(min=0.1, help="How long to hold them.")] = 10,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """What clients weigh that follow a room and are silent."""
    _open(opening.Crowd(rooms, members, hold_s=secs), url, key, data_dir, as_json=as_json)


@app.command()
def resume(
    rooms: Count = 100,
    members: Members = 100,
    missed: Annotated[int, typer.Option(min=1, max=900, help="Messages missed per room.")] = 20,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """How soon clients that come back at once have what they missed."""
    crowd = opening.Crowd(rooms, members, missed=missed)
    _run(
        lambda api, pids, tell: opening.resume(api, crowd, pids, tell=tell),
        url, key, data_dir, as_json=as_json,
    )  # fmt: skip


@app.command()
def runs(
    count: Annotated[int, typer.Option("--runs", min=1, help="Runs at the same time.")] = 20,
    subscribers: Annotated[int, typer.Option(min=0, help="More people in each room.")] = 1,
    chunks: Annotated[int, typer.Option(min=1, help="Pieces of an answer.")] = 20,
    interval: Annotated[float, typer.Option(min=0, help="Seconds between pieces.")] = 0.1,
    rounds: Annotated[int, typer.Option(min=1, help="Mentions one after the other.")] = 1,
    port: Annotated[int, typer.Option(help="Where the bench's own bot listens.")] = 18_999,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """From a mention to the bot, and from the bot's words to everybody. The hub must be started
    with HUB_OUTBOUND_ALLOW=127.0.0.1:PORT."""
    shape = running.Shape(count, subscribers, chunks, interval, rounds, port)
    _run(
        lambda api, _, tell: running.run(api, shape, tell=tell),
        url, key, data_dir, as_json=as_json,
    )  # fmt: skip


def _open(
    crowd: opening.Crowd, url: str | None, key: str | None, data_dir: Path | None, *, as_json: bool
) -> None:
    _run(
        lambda api, pids, tell: opening.connect(api, crowd, pids, tell=tell),
        url, key, data_dir, as_json=as_json,
    )  # fmt: skip


def _run(
    measure: Measure, url: str | None, key: str | None, data_dir: Path | None, *, as_json: bool
) -> None:
    try:
        at, with_key, pids = _target(url, key, data_dir)
        with told.status("setting up") as status:
            found = asyncio.run(_measured(measure, at, with_key, pids, status.update))
    except (BenchError, SettingsError) as error:
        told.print(f"roomhub: no figures: {error}", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(found))
    else:
        Console().print(_table(found))


async def _measured(measure: Measure, url: str, key: str, pids: Pids, tell: Tell) -> dict[str, Any]:
    async with open_api(url, key) as api:
        return await measure(api, pids, tell)


def _target(url: str | None, key: str | None, data_dir: Path | None) -> tuple[str, str, Pids]:
    """The hub's address and an admin's key, from the data directory unless given, and the hub's
    processes, to be weighed, unless it may be elsewhere."""
    folder = load(data_dir=data_dir).data_dir
    pid = None if url else running_pid(folder)
    address = url or running_address(folder)
    if address is None:
        raise BenchError(f"no hub runs on {folder}; start one or give --url")
    try:
        found = key or (folder / "admin.key").read_text().strip()
    except OSError as error:
        raise BenchError(f"{folder / 'admin.key'}: {error.strerror}; give --key") from None
    return address, found, family(pid) if pid else ()


def _table(found: dict[str, Any]) -> Table:
    table = Table(show_header=False)
    for name, value in found.items():
        shown = f"{value:,}" if isinstance(value, int | float) else str(value)
        table.add_row(name.replace("_", " "), shown)
    return table
