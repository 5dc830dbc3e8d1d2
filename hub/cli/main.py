"""`roomhub`: the commands."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Annotated

import structlog
import typer
from rich.console import Console

from hub.cli import admin, bench
from hub.cli.audit import audit
from hub.cli.demo import demo as run_demo
from hub.cli.doctor import doctor as run_doctor
from hub.cli.gateway import gateway as run_gateway
from hub.cli.models import models
from hub.cli.reach import DataDir, Key, Stop, Url, reach, settings_or_stop
from hub.cli.restored import renew_epochs
from hub.cli.rooms import rooms
from hub.cli.runs import runs
from hub.cli.show import AsJson
from hub.cli.up import up as run_up
from hub.process import CannotStart
from hub.settings import Settings, unread

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
    help="roomhub: rooms that people and AI participants share.",
)  # fmt: skip
console = Console(stderr=True)
log = structlog.get_logger("hub.cli")
app.add_typer(admin.keys, name="keys")
app.add_typer(admin.participants, name="participants")
app.add_typer(models, name="models")
app.add_typer(rooms, name="rooms")
app.add_typer(runs, name="runs")
app.add_typer(audit, name="audit")
app.add_typer(bench.app, name="bench")


def serving_settings(**overrides: object) -> Settings:
    """The settings of a process that serves; a variable that nothing reads is told."""
    settings = settings_or_stop(**overrides)
    for name in unread(settings):
        console.print(f"{name} is set, but there is no such setting", highlight=False)
    return settings


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """What keeps a hub from starting ends the command with one line; what ends one that had
    started is in the log too, with where it came from."""
    try:
        yield
    except Stop:
        raise
    except CannotStart as error:
        raise Stop(str(error)) from None
    except Exception as error:
        log.critical("the process ends: nobody expected this", exc_info=True)
        raise Stop(f"ended by {type(error).__name__}, see the log") from None


@app.callback()
def roomhub() -> None:
    """Options come after the command."""


@app.command()
def up(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 for any.")] = None,
    data_dir: DataDir = None,
    demo: Annotated[bool, typer.Option(help="Make people and a room to try it with.")] = True,
) -> None:
    """Run the hub: gateway, workers and an embedded Valkey in one process."""
    settings = serving_settings(host=host, port=port, data_dir=data_dir)
    with one_line():
        run_up(settings, console, demo=demo)


@app.command()
def restored(data_dir: DataDir = None) -> None:
    """Say that the database was restored from a copy: clients' cursors from before fit no more."""
    with one_line():
        count = renew_epochs(settings_or_stop(data_dir=data_dir))
    print(f"{count} rooms have a new epoch")


@app.command()
def gateway(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 0 for any.")] = None,
    data_dir: DataDir = None,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="How many processes share the port.")
    ] = 1,
) -> None:
    """Run one of several gateways on a shared PostgreSQL and Redis."""
    settings = serving_settings(host=host, port=port, data_dir=data_dir)
    with one_line():
        status = run_gateway(settings, console, processes)
    raise typer.Exit(status)


@app.command()
def workers(
    metrics_port: Annotated[
        int | None, typer.Option(help="Port to serve /metrics on, 0 for any; none by default.")
    ] = None,
) -> None:
    """Run the worker pool on a shared PostgreSQL and Redis."""
    (point,) = entry_points(group="hub.commands", name="workers")
    with one_line():
        point.load()(serving_settings(metrics_port=metrics_port), console)


@app.command()
def doctor(
    url: Annotated[
        str | None, typer.Option(help="A hub to ask; default: the one of the data directory.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Check an installation, running or not: settings, disk, database, Redis, limits. One line for
    each, with what to do next; the exit status is 1 when something failed. Changes nothing."""
    raise typer.Exit(run_doctor(data_dir, url, as_json=as_json))


@app.command()
def demo(url: Url = None, data_dir: DataDir = None, key: Key = None) -> None:
    """Watch people and an AI talk in a room of a running hub, as two clients see it live."""
    run_demo(reach(data_dir, url, key), Console())


def run() -> None:
    """The entry point: a `Stop` is one line and exit status 1."""
    try:
        app()
    except Stop as stop:
        print(f"roomhub: {stop}", file=sys.stderr)
        sys.exit(1)
