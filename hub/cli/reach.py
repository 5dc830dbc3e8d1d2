"""How commands end, and how they find the hub they talk to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from hub.cli.lock import running_address
from hub.client import RoomhubClient, Unreachable, open_client
from hub.core.errors import HubError, Unauthenticated
from hub.process import innermost
from hub.settings import Settings, SettingsError, load

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where the hub keeps its data.")]
Url = Annotated[
    str | None, typer.Option(help="The hub's address; default: the one of the data directory.")
]
Key = Annotated[
    str | None, typer.Option(help="A tenant_admin's key; default: the data directory's.")
]
T = TypeVar("T")


class Stop(Exception):
    """Ends a command with one line on standard error and exit status 1."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A running hub and an admin's key to it."""

    address: str
    key: str = field(repr=False)


def settings_or_stop(**overrides: object) -> Settings:
    """The settings; Stop names the one that is wrong."""
    try:
        return load(**overrides)
    except SettingsError as error:
        raise Stop(str(error)) from None


def reach(data_dir: Path | None, url: str | None, key: str | None) -> Reached:
    """The hub at `url`, else the one that holds the data directory; Stop when there is none."""
    folder = settings_or_stop(data_dir=data_dir).data_dir
    address = url or running_address(folder)
    if address is None:
        raise Stop(
            f"no hub is running on the data directory {folder}; "
            "start one with: roomhub up, or say where with --data-dir or --url"
        )
    if not address.startswith(("http://", "https://")):
        raise Stop(
            f"--url must begin with http:// or https://, as http://127.0.0.1:8000: {address}"
        )
    return Reached(address, key or admin_key(folder))


def admin_key(folder: Path) -> str:
    """The key that the first start left in the data directory."""
    try:
        return (folder / "admin.key").read_text().strip()
    except OSError as error:
        raise Stop(
            f"the admin's key cannot be read from {folder / 'admin.key'} ({error.strerror}); "
            "give one with --key"
        ) from None


def stop_for(error: BaseException) -> Stop | None:
    """The one line for an expected error, also inside groups; None for any other."""
    error = innermost(error)
    if isinstance(error, Stop):
        return error
    return Stop(error.message) if isinstance(error, HubError) else None


@contextlib.contextmanager
def refusals(hub: Reached) -> Iterator[None]:
    """What the hub refuses, or no hub at all, ends the command with one line that says what to do
    about it."""
    try:
        yield
    except Exception as error:
        if stop := _stop_at(hub, error):
            raise stop from None
        raise


def _stop_at(hub: Reached, error: BaseException) -> Stop | None:
    error = innermost(error)
    if isinstance(error, Unauthenticated):
        return Stop(
            f"the hub at {hub.address} refuses the key ({error.message}); give another with --key"
        )
    if isinstance(error, Unreachable):
        return Stop(f"{error.message}; is a hub running there? start one with: roomhub up")
    return stop_for(error)


def ask(hub: Reached, work: Callable[[RoomhubClient], Awaitable[T]]) -> T:
    """Do one thing with the hub's REST calls. Raises Stop."""

    async def asked() -> T:
        async with open_client(hub.address, hub.key) as client:
            return await work(client)

    with refusals(hub):
        return asyncio.run(asked())
