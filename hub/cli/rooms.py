"""`roomhub rooms`: which rooms there are, what is said in them, and saying something."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Final

import typer

from hub.cli.follow import Lost, follow
from hub.cli.found import RoomArgument, all_rooms, find_room
from hub.cli.pipes import piped, terminable
from hub.cli.posting import Posting, post_and_wait
from hub.cli.reach import DataDir, Key, Reached, Stop, Url, ask, reach, refusals
from hub.cli.show import AsJson, print_fields, print_json, print_table, tell
from hub.cli.tape import Tape, open_tape
from hub.client import Connected, Disconnected, Logged, open_client, open_connection
from hub.core.ids import participant_type
from hub.core.text import content_fault
from hub.core.values import Json

COLUMNS: Final = ("id", "name", "private", "head", "created_by", "created_at", "archived_at")
MEMBERS: Final = ("id", "handle", "name", "role", "engagement", "joined_at")

rooms = typer.Typer(no_args_is_help=True, help="List, show, follow rooms, and post to them.")


@rooms.command("list")
def list_rooms(
    url: Url = None, data_dir: DataDir = None, key: Key = None, as_json: AsJson = False
) -> None:
    """Every room of the tenant; with the key of somebody who is no admin, the rooms they are in."""
    found = ask(reach(data_dir, url, key), all_rooms)
    with piped():
        if as_json:
            print_json(found)
        else:
            print_table(found, COLUMNS)


@rooms.command("show")
def show_room(
    room: RoomArgument,
    url: Url = None,
    data_dir: DataDir = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """One room: how far its log is (head), and its members. With --json its last messages too."""
    found = ask(reach(data_dir, url, key), lambda client: find_room(client, room))
    with piped():
        if as_json:
            print_json(found)
            return
        fields = ("id", "kind", "name", "description", "private", "head", "epoch", "created_by",
                  "created_at", "archived_at")  # fmt: skip
        print_fields({name: found[name] for name in fields})
        print()
        print_table(found["members"], MEMBERS)


@rooms.command("tail")
def tail_room(
    room: RoomArgument,
    since: Annotated[
        int | None,
        typer.Option(min=0, help="Begin after this seq, 0 for all; default: what comes from now."),
    ] = None,
    url: Url = None,
    data_dir: DataDir = None,
    key: Key = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One entry of the log a line, for jq and programs.")
    ] = False,
) -> None:
    """Follow a room until Ctrl-C: what is said, and what else happens in it. Nothing is missed or
    shown twice when the connection is cut or the hub starts again. Times are UTC, replies in
    threads stand behind ↳; a terminal shows replies of AI participants while they are written."""
    hub = reach(data_dir, url, key)
    with piped(), terminable(), refusals(hub), open_tape(as_json=as_json) as tape:
        asyncio.run(_tail(hub, room, since, tape))


async def _tail(hub: Reached, given: str, since: int | None, tape: Tape) -> None:
    async with open_client(hub.address, hub.key) as client:
        room = await find_room(client, given)
        if since is not None and since > room["head"]:
            raise Stop(f"--since {since}: the log of {room['id']} ends at seq {room['head']}")
        async with open_connection(hub.address, hub.key) as connection:
            start, cut = room["head"] if since is None else since, False
            async for event in follow(client, connection, room, start):
                tape.drafts(connection.drafts)
                if isinstance(event, Logged):
                    tape.logged(event)
                elif isinstance(event, Lost):
                    tell(_lost(event))
                elif isinstance(event, Disconnected) and not cut:
                    cut = True
                    tell("the connection was cut; coming back as soon as there is a hub")
                elif isinstance(event, Connected) and cut:
                    cut = False
                    tell("connected again")
    raise Stop("the hub ended the connection")


def _lost(lost: Lost) -> str:
    if lost.another_log:
        return f"the database was put back from a copy; going on after seq {lost.last}"
    return f"seq {lost.first} to {lost.last} are kept no longer"


@rooms.command("post")
def post_message(
    room: RoomArgument,
    text: Annotated[
        str, typer.Argument(help="What to say; - reads it from standard input.", metavar="TEXT")
    ],
    mention: Annotated[
        list[str] | None,
        typer.Option(help="Whom to mention by id, such as bot_design_reviewer; repeatable."),
    ] = None,
    thread: Annotated[
        str | None, typer.Option(help="The id of the message whose thread it belongs to.")
    ] = None,
    join: Annotated[
        bool, typer.Option("--join", help="Become a member of the room first; only members post.")
    ] = False,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait for the AI participants asked, print their replies."),
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=1, help="With --wait: for so many seconds at most.")
    ] = 300,
    url: Url = None,
    data_dir: DataDir = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Post a message as the owner of the key; prints its id, and which runs it started. AI
    participants are asked by --mention or by @handle in the text; with --wait the exit status is 1
    when one of them did not answer."""
    posting = Posting(_text(text), _mentions(mention or []), thread, join)
    hub = reach(data_dir, url, key)
    with piped(), refusals(hub):
        show = _nothing if as_json else _print
        done = asyncio.run(post_and_wait(hub, room, posting, timeout if wait else None, show))
        if as_json:
            print_json(done.as_dict())
        if done.failed:
            raise Stop(done.failed)


def _print(line: object) -> None:
    print(line, flush=True)


def _nothing(line: object) -> None:
    """The whole of it is printed at the end."""


def _text(given: str) -> str:
    """The text of a message, of standard input for `-`. Stop when the hub would refuse it."""
    text = given
    if given == "-":
        try:
            text = sys.stdin.buffer.read().decode().removesuffix("\n")
        except UnicodeDecodeError:
            raise Stop("standard input is not UTF-8 text") from None
    if fault := content_fault(text):
        raise Stop(f"TEXT {fault}")
    return text


def _mentions(ids: list[str]) -> list[Json]:
    found = []
    for each in ids:
        kind = participant_type(each)
        if kind is None:
            raise Stop(f"--mention {each}: an id is user_, bot_, agent_ or persona_ and a name")
        found.append({"type": kind, "id": each})
    return found
