"""`roomhub runs`: what AI participants were asked, and what became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

import typer

from hub.cli.found import RoomArgument, RunArgument, find_room, first, of_run
from hub.cli.pipes import piped
from hub.cli.reach import DataDir, Key, Stop, Url, ask, reach
from hub.cli.show import AsJson, print_fields, print_json, print_table, printable
from hub.client import RoomhubClient
from hub.core.runs import MOVES
from hub.core.values import Json

COLUMNS: Final = ("id", "participant", "state", "reason", "attempt", "created_at", "finished_at")
STATES: Final = ", ".join(MOVES)

runs = typer.Typer(
    no_args_is_help=True, help="List, show, stop and retry what AI participants were asked."
)


@runs.command("list")
def list_runs(
    room: RoomArgument,
    state: Annotated[
        list[str] | None, typer.Option(help=f"Only those in this state ({STATES}); repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    url: Url = None,
    data_dir: DataDir = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """The runs of a room, newest first. A run is one AI participant asked by one message."""
    for each in state or ():
        if each not in MOVES:
            raise Stop(f"--state {printable(each)}: a run is one of {STATES}")

    async def work(client: RoomhubClient) -> list[Json]:
        found = await find_room(client, room)
        return await first(_in_state(client.runs(found["id"]), state or list(MOVES)), limit)

    listed = ask(reach(data_dir, url, key), work)
    with piped():
        if as_json:
            print_json(listed)
        else:
            print_table([_row(run) for run in listed], COLUMNS)


async def _in_state(many: AsyncIterator[Json], states: list[str]) -> AsyncIterator[Json]:
    async for run in many:
        if run["state"] in states:
            yield run


def _row(run: Json) -> Json:
    return run | {"participant": run["participant"]["id"], "reason": _reason(run)}


def _reason(run: Json) -> str | None:
    """Why it ended as it did, as far as is known."""
    found: str | None = run["reason"] or (run["error"] or {}).get("message")
    return found


@runs.command("show")
def show_run(
    run: RunArgument,
    url: Url = None,
    data_dir: DataDir = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """One run: who was asked by which message, when, and how it ended."""
    found = ask(reach(data_dir, url, key), lambda client: of_run(run, client.run(run)))
    with piped():
        if as_json:
            print_json(found)
        else:
            print_fields(_fields(found))


def _fields(run: Json) -> Json:
    usage = run["usage"] or {}
    tokens = f"{usage['prompt_tokens']} + {usage['completion_tokens']}" if usage else None
    shown = (
        "id", "room_id", "participant", "state", "reason", "attempt", "generation", "depth",
        "trigger_message_id", "reply_message_id", "created_at", "started_at", "first_delta_at",
        "finished_at",
    )  # fmt: skip
    return {name: _row(run)[name] for name in shown} | {"tokens": tokens}


@runs.command("cancel")
def cancel_run(
    run: RunArgument,
    url: Url = None,
    data_dir: DataDir = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Stop a run: what is written so far stays. One that has ended stays as it is."""
    found = ask(reach(data_dir, url, key), lambda client: of_run(run, client.cancel_run(run)))
    if as_json:
        print_json(found)
        return
    ended = found["state"] in ("running", "waiting")
    print(f"{found['id']} is {found['state']}{', and ends within moments' if ended else ''}")


@runs.command("retry")
def retry_run(
    run: RunArgument,
    url: Url = None,
    data_dir: DataDir = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Ask again where a run did not succeed; prints the id of the new run."""
    found = ask(reach(data_dir, url, key), lambda client: of_run(run, client.retry_run(run)))
    if as_json:
        print_json(found)
    else:
        print(found["id"])
