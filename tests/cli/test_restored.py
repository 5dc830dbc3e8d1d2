"""`roomhub restored`: after it no cursor from before fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.client.connection import open_connection
from hub.client.rest import open_client
from tests.cli.command import refused, roomhub_process
from tests.support.hub import HubProcess, run_hub


async def _head(hub: HubProcess) -> tuple[str, int, str]:
    async with open_client(hub.address, hub.key) as client:
        room = (await client.rooms())[0]
        await client.post(room["id"], "hello")
        room = await client.room(room["id"])
    return room["id"], room["head"], room["epoch"]


@pytest.mark.slow
async def test_after_a_restore_a_cursor_from_before_does_not_fit(tmp_path: Path) -> None:
    with run_hub(tmp_path) as hub:
        room_id, head, epoch = await _head(hub)
        assert "is running" in refused(roomhub_process("restored", data_dir=tmp_path))
    assert "have a new epoch" in roomhub_process("restored", data_dir=tmp_path).out
    with run_hub(tmp_path) as hub:
        async with open_connection(hub.address, hub.key) as connection:
            joined = await connection.subscribe(room_id, since=head - 1, epoch=epoch)
    assert (head, False) == (joined.head, joined.recovered)
    assert epoch != joined.epoch
