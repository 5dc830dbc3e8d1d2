"""The program that lets clients come to the hub and to a bare server, small."""

from __future__ import annotations

from pathlib import Path

from hub.bench.opening import Crowd
from tests.bench.coming import compare


async def test_clients_come_to_the_hub_and_to_a_bare_server(tmp_path: Path) -> None:
    lines = await compare(Crowd(2, 3), 1, tmp_path)
    assert ["roomhub", "bare uvicorn"] == [line.split(" | ")[0][2:] for line in lines[1:]]
    assert " | 1.00 | " in lines[-1]
