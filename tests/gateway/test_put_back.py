"""A gateway that starts on a database that was put back: no cursor from before fits."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from hub.gateway.gateway import Gateway
from hub.gateway.joining import Cursor
from hub.parts import open_parts
from hub.settings import Settings
from tests.support.parts import Posts, add_room

from .fakes import Client


@contextlib.asynccontextmanager
async def running(settings: Settings, valkey: str) -> AsyncIterator[Gateway]:
    async with open_parts(settings, valkey) as parts:
        gateway = Gateway(parts)
        async with gateway.running():
            yield gateway


_numbers = count(step=100)


async def post(gateway: Gateway, many: int) -> Cursor:
    """So many posts; where a client stands that has seen them."""
    parts = gateway.parts
    posts = Posts(parts.store, count=next(_numbers))
    for _ in range(many):
        await parts.writer.post(await posts.new())
    head = (await parts.store.log.heads(["room_1"]))["room_1"]
    return Cursor(head.head, head.epoch)


async def recovered(gateway: Gateway, cursor: Cursor) -> bool:
    client = Client()
    joining = await gateway.fanout.prepare(client, "room_1", cursor)
    await gateway.fanout.complete(client, joining)
    return joining.joined.recovered


def copy_of(settings: Settings, folder: Path) -> Path:
    folder.mkdir()
    for each in settings.data_dir.glob("hub.db*"):
        shutil.copy(each, folder)
    return folder


def put_back(settings: Settings, copy: Path) -> None:
    for each in settings.data_dir.glob("hub.db*"):
        each.unlink()
    for each in copy.iterdir():
        shutil.copy(each, settings.data_dir)


@pytest.mark.parametrize("forgets", ["nobody", "file", "redis"])
async def test_a_gateway_that_starts_after_the_database_was_put_back_notices(
    settings: Settings, valkey: str, tmp_path: Path, forgets: str
) -> None:
    async with running(settings, valkey) as gateway:
        await add_room(gateway.parts.store)
        await post(gateway, 3)
    copy = copy_of(settings, tmp_path / "copy")
    async with running(settings, valkey) as gateway:
        cursor = await post(gateway, 2)
        assert await recovered(gateway, cursor)
    put_back(settings, copy)
    if forgets == "file":
        (settings.data_dir / "mark.json").unlink()
    if forgets == "redis":
        settings = settings.model_copy(update={"redis_prefix": f"{settings.redis_prefix}-emptied"})
    async with running(settings, valkey) as gateway:
        again = await post(gateway, 4)  # the seqs that the client has seen, and more
        assert again.since > cursor.since
        assert not await recovered(gateway, cursor)
        assert await recovered(gateway, again)


async def test_a_gateway_that_only_starts_again_keeps_every_cursor(
    settings: Settings, valkey: str
) -> None:
    async with running(settings, valkey) as gateway:
        await add_room(gateway.parts.store)
        cursor = await post(gateway, 3)
    for _ in range(2):
        async with running(settings, valkey) as gateway:
            assert await recovered(gateway, cursor)
            await post(gateway, 1)
