"""`roomhub keys` and `roomhub participants`: who may come in.

While a hub holds the data directory they go through its REST API; when none does they hold it
themselves and work on the database.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final, Protocol, TypeVar, cast

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hub.bootstrap import ADMIN, TENANT, prepare_database
from hub.cli.lock import Locked, hold_lock
from hub.cli.reach import DataDir, Stop, admin_key, settings_or_stop, stop_for
from hub.client import open_client
from hub.core.ids import IdMaker, participant_type
from hub.core.values import Actor, Json
from hub.parts import now_ms, open_catalogue
from hub.ports import Bus, Page
from hub.service.access import Access
from hub.service.participants import Participants
from hub.settings import Settings
from hub.store.migrate import UnusableDatabase
from hub.store.opening import SQLITE, is_postgres, open_store
from hub.wire.bodies import validate
from hub.wire.requests import CreateKey, CreateParticipant

EVERYTHING: Final = 100_000
PIPE_WIDTH: Final = 400
T = TypeVar("T")
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]

keys = typer.Typer(no_args_is_help=True, help="List, create and revoke API keys.")
participants = typer.Typer(no_args_is_help=True, help="List, create and disable participants.")


class Desk(Protocol):
    """What can be administered, in the shapes of the API; `RoomhubClient` is one."""

    async def keys(self) -> list[Json]: ...
    async def create_key(self, body: Json) -> Json: ...
    async def revoke_key(self, key_id: str) -> Json: ...
    async def participants(self) -> list[Json]: ...
    async def create_participant(self, body: Json) -> Json: ...
    async def disable_participant(self, participant_id: str) -> Json: ...


class _Database:
    """The desk of a hub that is not running: the use cases straight on its database."""

    def __init__(self, access: Access, participants: Participants, actor: Actor) -> None:
        self._access = access
        self._participants = participants
        self._actor = actor

    async def keys(self) -> list[Json]:
        found = await self._access.keys(self._actor, Page(EVERYTHING))
        return [key.as_dict() for key in found]

    async def create_key(self, body: Json) -> Json:
        return await self._access.create_key(self._actor, validate(CreateKey, body))

    async def revoke_key(self, key_id: str) -> Json:
        return (await self._access.revoke(self._actor, key_id)).as_dict()

    async def participants(self) -> list[Json]:
        found = await self._participants.page(self._actor, Page(EVERYTHING))
        return [participant.as_dict() for participant in found]

    async def create_participant(self, body: Json) -> Json:
        made = await self._participants.create(self._actor, validate(CreateParticipant, body))
        return made.as_dict()

    async def disable_participant(self, participant_id: str) -> Json:
        return (await self._participants.disable(self._actor, participant_id)).as_dict()


def at_desk(data_dir: Path | None, work: Callable[[Desk], Awaitable[T]]) -> T:
    """Do one thing at the desk of the data directory's hub, running or not. What is refused ends
    the command with one line, and so does a directory where no hub ever was."""
    settings = settings_or_stop(data_dir=data_dir)
    try:
        return _at_desk(settings, work)
    except (UnusableDatabase, OSError) as error:
        raise Stop(str(error)) from None
    except Exception as error:
        if stop := stop_for(error):
            raise stop from None
        raise


def _at_desk(settings: Settings, work: Callable[[Desk], Awaitable[T]]) -> T:
    """Whoever holds the lock works on the database; there is no moment in between."""
    folder = settings.data_dir
    if not folder.is_dir() or not _has_database(settings):
        raise Stop(f"there is no hub in {folder} yet; make one with: roomhub up")
    try:
        with hold_lock(folder):
            prepare_database(settings)
            return asyncio.run(_offline(settings, work))
    except Locked as locked:
        if locked.address is None:
            raise Stop(f"{locked}, which is not ready; try again in a moment") from None
        return asyncio.run(_online(locked.address, admin_key(folder), work))


def _has_database(settings: Settings) -> bool:
    url = settings.database
    return is_postgres(url) or Path(url.removeprefix(SQLITE)).exists()


async def _online(address: str, key: str, work: Callable[[Desk], Awaitable[T]]) -> T:
    async with open_client(address, key) as client:
        return await work(client)


async def _offline(settings: Settings, work: Callable[[Desk], Awaitable[T]]) -> T:
    async with open_store(settings.database) as store, open_catalogue(settings, store) as models:
        admin = await store.participants.get(TENANT, ADMIN)
        if admin is None:
            raise Stop(f"the hub in {settings.data_dir} was never started; start it: roomhub up")
        no_bus = cast(Bus, None)  # only tickets need one, and nobody asks for those here
        access = Access(store, no_bus, IdMaker(now_ms, secrets.randbits), now_ms)
        people = Participants(
            store, models.knows, now_ms,
            callables=settings.callables, outbound_allow=settings.outbound_allow,
        )  # fmt: skip
        actor = Actor(TENANT, admin.author(), "tenant_admin", "cli")
        return await work(_Database(access, people, actor))


# Keys.


@keys.command("list")
def list_keys(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Every key of the hub; the secrets themselves are not kept anywhere."""
    found = at_desk(data_dir, lambda desk: desk.keys())
    if as_json:
        _print_json(found)
        return
    columns = ("id", "name", "participant_id", "role", "created_at", "expires_at", "revoked_at")
    _print_table(found, columns)


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    participant: Annotated[
        str, typer.Option(help="Whose key, such as user_alice; default: the admin's.")
    ] = ADMIN,
    admin: Annotated[bool, typer.Option("--admin", help="With a tenant_admin's rights.")] = False,
    expires: Annotated[str | None, typer.Option(help="Such as 2030-01-31T12:00:00Z.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make a key and print it, this once."""
    body: Json = {"name": name, "participant_id": participant}
    body |= {"role": "tenant_admin"} if admin else {}
    body |= {"expires_at": expires} if expires else {}
    made = at_desk(data_dir, lambda desk: desk.create_key(body))
    if as_json:
        _print_json(made)
        return
    _tell(f"{made['id']} for {made['participant_id']} ({made['role']}); it is shown this once:")
    print(made["key"])


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The key's id, as in `keys list`.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """End a key; connections that use it are closed within a second."""
    gone = at_desk(data_dir, lambda desk: desk.revoke_key(key_id))
    if as_json:
        _print_json(gone)
    else:
        print(f"{gone['id']} ({gone['name']}, {gone['participant_id']}) is revoked")


# Participants.


@participants.command("list")
def list_participants(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Everybody who is in use."""
    found = at_desk(data_dir, lambda desk: desk.participants())
    if as_json:
        _print_json(found)
        return
    _print_table([each | {"driven by": _driver(each)} for each in found],
                 ("id", "handle", "name", "driven by", "created_at"))  # fmt: skip


@participants.command("create")
def create_participant(
    participant_id: Annotated[
        str, typer.Argument(metavar="ID", help="user_, bot_, agent_ or persona_ and a name.")
    ],
    name: Annotated[str, typer.Option(help="The name people see; default: from the id.")] = "",
    handle: Annotated[str | None, typer.Option(help="For @mentions; default: from the id.")] = None,
    model: Annotated[str | None, typer.Option(help="The model that answers for an AI.")] = None,
    system_prompt: Annotated[str | None, typer.Option(help="What the model is told.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a user, bot, agent or persona."""
    kind = participant_type(participant_id)
    if kind is None:
        raise Stop("an id is user_, bot_, agent_ or persona_ and 1 to 64 of a-z 0-9 _ -")
    shown = name or participant_id.split("_", 1)[1].replace("_", " ").title()
    body: Json = {"type": kind, "id": participant_id, "name": shown}
    body |= {"handle": handle} if handle else {}
    body |= _model_driver(model, system_prompt)
    made = at_desk(data_dir, lambda desk: desk.create_participant(body))
    if as_json:
        _print_json(made)
    else:
        print(f"{made['id']} ({made['name']}, @{made['handle']}) is made")


def _model_driver(model: str | None, system_prompt: str | None) -> Json:
    if model is None:
        if system_prompt is not None:
            raise Stop("--system-prompt needs --model")
        return {}
    prompt = {"system_prompt": system_prompt} if system_prompt else {}
    return {"driver": {"kind": "model", "model": model} | prompt}


@participants.command("disable")
def disable_participant(
    participant_id: Annotated[str, typer.Argument(metavar="ID", help="As in the list.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take a participant out of use: its keys stop working, it is never invoked again."""
    gone = at_desk(data_dir, lambda desk: desk.disable_participant(participant_id))
    if as_json:
        _print_json(gone)
    else:
        print(f"{gone['id']} ({gone['name']}) is out of use")


# How it is shown.


def _driver(participant: Json) -> str:
    driver = participant["driver"] or {}
    return " ".join(str(driver[part]) for part in ("kind", "model") if part in driver)


def _print_json(value: Any) -> None:
    print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _print_table(items: list[Json], columns: tuple[str, ...]) -> None:
    """In a pipe nothing is cut off to fit a width."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        title = column.removesuffix("_id").removesuffix("_at")
        table.add_column(title, overflow="fold", no_wrap=column == "id")
    for item in items:
        table.add_row(*(Text(_cell(column, item[column])) for column in columns))
    console.print(table)


def _cell(column: str, value: Any) -> str:
    """Times to the minute, in UTC."""
    text = "" if value is None else str(value)
    return text[:16].replace("T", " ") if column.endswith("_at") else text


def _tell(line: str) -> None:
    Console(stderr=True).print(line, highlight=False, markup=False, soft_wrap=True)
