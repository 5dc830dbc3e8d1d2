"""`python -m tests.reliability.silence`: something is taken away through one gateway from a client
that is connected to another, while a room is busy; with Redis and without.

Prints how long the client still heard or posted, and what came later than a second; exits 1 when
anything did.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from hub.client.rest import RoomhubClient, open_client
from hub.core.errors import HubError
from tests.reliability.bus_faults import House, open_house
from tests.support.cluster import run_cluster
from tests.support.redis import run_server, until

Case = Literal["key revoked", "member removed", "room archived"]
CASES: Final[tuple[Case, ...]] = ("key revoked", "member removed", "room archived")
ENV: Final = {"HUB_LOG_LEVEL": "error"}
BOB: Final = {"type": "user", "id": "user_silenced"}
ALLOWED_S: Final = 1.0
WATCHED_S: Final = 3.0
PER_S: Final = 40.0


@dataclass
class Outcome:
    """From the answer to what was taken away: until when the client heard or posted, how much
    came later than it may, and how the client's connection ended."""

    before: int = 0
    silent_after_s: float = 0.0
    late: int = 0
    closed: int | None = None
    answers: set[str] = field(default_factory=set)

    def note(self, after_s: float) -> None:
        """Something came, or was accepted, so long after."""
        if after_s < 0:
            self.before += 1
            return
        self.silent_after_s = max(self.silent_after_s, after_s)
        self.late += after_s > ALLOWED_S


@dataclass
class _Scene:
    """A room of the admin and the one to be silenced, who listens on the second gateway."""

    case: Case
    admin: RoomhubClient
    room_id: str
    key_id: str
    client: ClientConnection
    outcome: Outcome = field(default_factory=Outcome)
    taken_s: float = float("inf")


@contextlib.asynccontextmanager
async def _scene(house: House, case: Case) -> AsyncIterator[_Scene]:
    near, far = house.gateways
    async with open_client(near.address, house.cluster.key) as admin:
        with contextlib.suppress(HubError):
            await admin.create_participant({**BOB, "name": "Bob"})
        made = await admin.create_key({"name": "k", "participant_id": BOB["id"]})
        room_id = (await admin.create_room("Busy", members=[BOB]))["id"]
        headers = {"Authorization": f"Bearer {made['key']}"}
        async with connect(far.ws_address, additional_headers=headers) as client:
            command = {"id": 0, "type": "subscribe", "room_id": room_id}
            await client.send(orjson.dumps(command), text=True)
            yield _Scene(case, admin, room_id, made["id"], client)


async def _hear(scene: _Scene) -> None:
    """Everything the client is sent: entries of the log, and acknowledgements of its posts."""
    try:
        while True:
            frame = orjson.loads(await scene.client.recv())
            after_s = time.monotonic() - scene.taken_s
            if frame["type"] == "reply" and frame["id"]:
                _answered(scene, frame, after_s)
            elif _counts(scene, frame):
                scene.outcome.note(after_s)
    except ConnectionClosed as closed:
        scene.outcome.closed = closed.rcvd.code if closed.rcvd else None


def _counts(scene: _Scene, frame: dict[str, Any]) -> bool:
    """What others say. Members still read an archived room, whose last entries may come late."""
    if frame["type"] != "message.created" or frame["data"]["author"]["id"] == BOB["id"]:
        return False
    return scene.case != "room archived" or scene.taken_s == float("inf")


def _answered(scene: _Scene, reply: dict[str, Any], after_s: float) -> None:
    if reply["ok"]:
        scene.outcome.note(after_s)
    else:
        scene.outcome.answers.add(reply["error"]["code"])


async def _post(scene: _Scene) -> None:
    """The admin and the client both post all the time."""
    number = 0
    while True:
        number += 1
        command = {"id": number, "type": "post", "room_id": scene.room_id, "content": "hello"}
        with contextlib.suppress(ConnectionClosed):
            await scene.client.send(orjson.dumps(command), text=True)
        with contextlib.suppress(HubError):
            await scene.admin.post(scene.room_id, "hello")
        await asyncio.sleep(1 / PER_S)


TAKE: Final[dict[Case, Callable[[_Scene], Awaitable[Any]]]] = {
    "key revoked": lambda scene: scene.admin.revoke_key(scene.key_id),
    "member removed": lambda scene: scene.admin.remove_member(scene.room_id, BOB["id"]),
    "room archived": lambda scene: scene.admin.archive_room(scene.room_id),
}


async def measure(house: House, case: Case, *, redis: bool) -> Outcome:
    """One case; without `redis`, nothing of it reaches the client's gateway meanwhile."""
    async with _scene(house, case) as scene:
        work = [asyncio.create_task(_hear(scene)), asyncio.create_task(_post(scene))]
        try:
            await until(lambda: scene.outcome.before >= 10)
            house.proxies[1].swallowing = not redis
            await TAKE[case](scene)
            scene.taken_s = time.monotonic()
            await asyncio.sleep(WATCHED_S)
        finally:
            house.proxies[1].swallowing = False
            for task in work:
                task.cancel()
            await asyncio.wait(work)
            if not redis:
                house.proxies[1].cut()
    return scene.outcome


async def _run(house: House) -> bool:
    broken = False
    for redis in (True, False):
        for case in CASES:
            found = await measure(house, case, redis=redis)
            print(
                f"{case:15} {'with Redis' if redis else 'without':10} silent after "
                f"{found.silent_after_s:.2f} s, later than {ALLOWED_S:.0f} s: {found.late}; "
                f"closed {found.closed}, refused {sorted(found.answers)}",
                flush=True,
            )
            broken = broken or bool(found.late)
    return broken


def main() -> int:
    argparse.ArgumentParser(prog="python -m tests.reliability.silence", description=__doc__)
    with tempfile.TemporaryDirectory(prefix="silence-") as folder:
        path = Path(folder)
        (path / "redis").mkdir()
        with run_server(path / "redis") as server, run_cluster(path, 0, env=ENV) as cluster:

            async def work() -> bool:
                async with open_house(cluster, server, rooms=1) as house:
                    return await _run(house)

            return int(asyncio.run(work()))


if __name__ == "__main__":
    sys.exit(main())
