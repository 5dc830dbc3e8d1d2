"""What an argument of a command names: a room by its id or its name, a run by its id."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Annotated, Final

import typer

from hub.cli.reach import Stop
from hub.cli.show import printable
from hub.client import RoomhubClient
from hub.core.errors import Missing
from hub.core.values import Json

NAMED_MOST: Final = 5
RoomArgument = Annotated[
    str, typer.Argument(metavar="ROOM", help="A room's id, or its name if only one has it.")
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, as in `runs list`.")]


async def all_rooms(client: RoomhubClient) -> list[Json]:
    """Every room of the tenant for an admin's key, the caller's own for any other."""
    is_admin = (await client.me())["role"] == "tenant_admin"
    return await client.rooms(whole_tenant=is_admin)


async def find_room(client: RoomhubClient, given: str) -> Json:
    """The room with its members. Stop says which rooms there are when it is none of them."""
    if given.startswith(("room_", "sess_")) and given.replace("_", "").isalnum():
        with contextlib.suppress(Missing):
            return await client.room(given)
    rooms = await all_rooms(client)
    named = [room for room in rooms if room["name"].casefold() == given.casefold()]
    if len(named) == 1:
        return await client.room(named[0]["id"])
    if named:
        ids = ", ".join(room["id"] for room in named)
        raise Stop(f"{len(named)} rooms are called {printable(given)}; say which by its id: {ids}")
    raise Stop(f"there is no room {printable(given)}; {_there_is(rooms)}")


def _there_is(rooms: list[Json]) -> str:
    if not rooms:
        return "there are none yet, or none that this key may read"
    shown = ", ".join(f"{room['id']} ({printable(room['name'])})" for room in rooms[:NAMED_MOST])
    more = "" if len(rooms) <= NAMED_MOST else f" and {len(rooms) - NAMED_MOST} more"
    return f"there is {shown}{more}: roomhub rooms list"


async def of_run(run_id: str, answer: Awaitable[Json]) -> Json:
    """What the hub answers about a run; Stop says where runs are listed when there is none."""
    try:
        return await answer
    except Missing:
        raise Stop(
            f"there is no run {printable(run_id)}; a room's are listed by: roomhub runs list ROOM"
        ) from None


async def first(many: AsyncIterator[Json], most: int) -> list[Json]:
    """The first so many."""
    found: list[Json] = []
    async for each in many:
        found.append(each)
        if len(found) == most:
            break
    return found
