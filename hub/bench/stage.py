"""Rooms full of members for a bench, made over the hub's own REST API, and taken away again."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx

from hub.bench.process import BenchError

CALLS: Final = 32
CALL_S: Final = 120.0
KEPT_S: Final = 2.0  # less than the server keeps them
FIRST_MEMBERS: Final = 500
LOG_PAGE: Final = 200
T = TypeVar("T")
Json = dict[str, Any]
Tell = Callable[[str], None]


def silent(_step: str) -> None:
    """Tells nobody."""


class Api:
    """The hub's REST API with an admin's key."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80

    async def call(self, method: str, path: str, body: Json | None = None) -> Any:
        """The answer's `data`; BenchError for anything but success."""
        return (await self._answer(method, path, body))["data"]

    async def _answer(self, method: str, path: str, body: Json | None = None) -> Json:
        try:
            response = await self._client.request(method, path, json=body)
            answer: Json = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise BenchError(f"{method} {path}: {error!r}") from error
        if response.is_error:
            said = answer.get("error", {}).get("message", response.status_code)
            raise BenchError(f"{method} {path}: {said}")
        return answer

    async def log(self, room_id: str, since: int) -> list[Json]:
        """Every event of a room after `since`."""
        events: list[Json] = []
        path = f"/v1/rooms/{room_id}/events?limit={LOG_PAGE}"
        more = f"&since={since}"
        while more:
            answer = await self._answer("GET", path + more)
            events += answer["data"]["items"]
            cursor = answer["pagination"]["next_cursor"]
            more = f"&cursor={cursor}" if cursor else ""
        return events


@contextlib.asynccontextmanager
async def open_api(url: str, key: str) -> AsyncIterator[Api]:
    """The API of the hub at `url`."""
    async with httpx.AsyncClient(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=CALL_S,
        trust_env=False, limits=httpx.Limits(max_connections=CALLS, keepalive_expiry=KEPT_S),
    ) as client:  # fmt: skip
        yield Api(client, url)


@dataclass(frozen=True, slots=True)
class Stage:
    """Rooms and, for every connection, a participant with a key of its own. `took_s` says how
    long each step of the set-up was."""

    room_ids: tuple[str, ...]
    participants: tuple[str, ...]
    keys: tuple[str, ...]
    took_s: dict[str, float]


async def each(items: Iterable[T], work: Callable[[T], Awaitable[None]]) -> None:
    """`work` on every item, so many at once as there are connections."""
    queue = iter(list(items))

    async def worker() -> None:
        for item in queue:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLS):
                group.create_task(worker())
    except* BenchError as failed:
        raise BenchError(str(failed.exceptions[0])) from None


@contextlib.asynccontextmanager
async def open_stage(
    api: Api, groups: Sequence[Sequence[int]], *, keep: bool = False, tell: Tell = silent
) -> AsyncIterator[Stage]:
    """A room for each group of connection numbers; taken away at the end unless `keep`."""
    builder = _Builder(api, tell)
    try:
        yield await builder.build(groups)
    finally:
        if not keep:
            await builder.clear()


class _Builder:
    """Knows what was made, also when it was not finished."""

    def __init__(self, api: Api, tell: Tell) -> None:
        self._api = api
        self._tell = tell
        self._tag = secrets.token_hex(4)
        self._rooms: dict[int, str] = {}
        self._keys: dict[int, str] = {}
        self._made: list[str] = []
        self._took_s: dict[str, float] = {}

    def _id(self, number: int) -> str:
        return f"user_bench_{self._tag}_{number}"

    async def build(self, groups: Sequence[Sequence[int]]) -> Stage:
        numbers = sorted(number for group in groups for number in group)
        await self._step("participants", numbers, self._participant)
        await self._step("keys", numbers, self._key)
        await self._step("rooms", list(enumerate(groups)), self._room)
        late = [(i, number) for i, group in enumerate(groups) for number in group[FIRST_MEMBERS:]]
        await self._step("members", late, self._member)
        return Stage(
            tuple(self._rooms[i] for i in range(len(groups))), tuple(map(self._id, numbers)),
            tuple(self._keys[number] for number in numbers), self._took_s,
        )  # fmt: skip

    async def clear(self) -> None:
        """Archive the rooms, take the participants and so their keys out of use."""
        await self._step("archive", list(self._rooms.values()), self._archive)
        await self._step("disable", self._made, self._disable)

    async def _step(self, name: str, items: list[T], work: Callable[[T], Awaitable[None]]) -> None:
        if items:
            self._tell(f"{name}: {len(items)}")
        began = time.monotonic()
        await each(items, work)
        self._took_s[name] = round(time.monotonic() - began, 3)

    async def _participant(self, number: int) -> None:
        body = {"type": "user", "id": self._id(number), "name": f"Bench {number}"}
        await self._api.call("POST", "/v1/participants", body)
        self._made.append(self._id(number))

    async def _key(self, number: int) -> None:
        body = {"name": "bench", "participant_id": self._id(number)}
        self._keys[number] = (await self._api.call("POST", "/v1/api-keys", body))["key"]

    async def _room(self, group: tuple[int, Sequence[int]]) -> None:
        index, numbers = group
        first = [{"type": "user", "id": self._id(n)} for n in numbers[:FIRST_MEMBERS]]
        body = {"name": f"bench {self._tag} {index}", "initial_members": first}
        self._rooms[index] = (await self._api.call("POST", "/v1/rooms", body))["id"]

    async def _member(self, place: tuple[int, int]) -> None:
        index, number = place
        body = {"type": "user", "id": self._id(number)}
        await self._api.call("POST", f"/v1/rooms/{self._rooms[index]}/members", body)

    async def _archive(self, room_id: str) -> None:
        await self._api.call("DELETE", f"/v1/rooms/{room_id}")

    async def _disable(self, participant_id: str) -> None:
        await self._api.call("DELETE", f"/v1/participants/{participant_id}")
