"""The one composition root: settings in, a store, a bus and the services on them out.

Gateway, workers and command line are built from the same `Parts`; every resource is opened and
closed here, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import structlog
from prometheus_client import Metric

from hub.bus.client import end
from hub.bus.redis import RedisBus, open_bus
from hub.core.errors import Unavailable
from hub.core.governor import Budget, Limits
from hub.core.ids import IdMaker
from hub.core.models import ModelConfig, Price
from hub.enduring import enduring, tell
from hub.models.catalogue import ModelCatalogue
from hub.models.openai import open_client
from hub.models.registry import ModelRegistry
from hub.outbound import guarded_client
from hub.sealing import Seal
from hub.service.access import Access
from hub.service.answers import Answers
from hub.service.editing import Editing
from hub.service.handling import Handling
from hub.service.messages import Messages
from hub.service.models import Models
from hub.service.notices import Notices
from hub.service.participants import Participants
from hub.service.promotions import Promotions
from hub.service.publisher import Publisher
from hub.service.pulse import Pulse
from hub.service.reading import Reading
from hub.service.rewriting import Rewriting
from hub.service.rooms import Rooms
from hub.service.runs import Runs
from hub.service.searching import Searching
from hub.service.sessions import Sessions
from hub.service.tickets import Tickets
from hub.service.timeline import Timeline
from hub.service.usage import Usage
from hub.service.views import RoomViews
from hub.service.writer import Writer
from hub.settings import Settings
from hub.store.kept import KeptMarks
from hub.store.opening import make_room, open_store
from hub.store.store import SqlStore
from hub.wire.packets import Packet

if TYPE_CHECKING:
    from hub.identity.tokens import Tokens

SECRET_FILE: Final = "secret.key"
STORED_S: Final = 8.0
KEYS_KEPT_MS: Final = 24 * 3600 * 1000
TIDY_S: Final = 600.0
COUNTED_S: Final = 5.0
MOVED_S: Final = 2.0
NOTED_S: Final = 2.0
Tell = Callable[[], Iterable[Metric]]
"""Says what Prometheus is told of something; never waits."""
log = structlog.get_logger("hub.parts")


def now_ms() -> int:
    """Wall-clock milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def make_ids() -> IdMaker:
    """Ids of this process, seeded apart from every other's."""
    return IdMaker(now_ms, random.Random(secrets.randbits(256)).getrandbits)


@dataclass(slots=True)
class Lost:
    """Who wants to know of rooms whose packets did not reach the bus."""

    listeners: list[Callable[[Iterable[str]], None]] = field(default_factory=list)

    def __call__(self, room_ids: Iterable[str]) -> None:
        for listener in self.listeners:
            listener(room_ids)


@dataclass(slots=True)
class Near:
    """Who in this process wants to hear what was posted, before the bus brings it."""

    listeners: list[Callable[[str, Packet], None]] = field(default_factory=list)

    def __call__(self, room_id: str, packet: Packet) -> None:
        for listener in self.listeners:
            listener(room_id, packet)


@dataclass(frozen=True, slots=True)
class Parts:
    """A running hub without its edges."""

    settings: Settings
    secret: bytes
    store: SqlStore
    bus: RedisBus
    models: ModelCatalogue
    ids: IdMaker
    publisher: Publisher
    writer: Writer
    lost: Lost
    near: Near
    views: RoomViews
    access: Access
    notices: Notices
    rooms: Rooms
    messages: Messages
    editing: Editing
    reading: Reading
    searching: Searching
    participants: Participants
    sessions: Sessions
    handling: Handling
    rewriting: Rewriting
    promotions: Promotions
    runs: Runs
    answers: Answers
    mapping: Models
    usage: Usage
    timeline: Timeline
    pulse: Pulse
    tokens: Tokens | None = None
    tellers: list[Tell] = field(default_factory=list)

    @contextlib.contextmanager
    def telling(self, tell: Tell) -> Iterator[None]:
        """Prometheus is told of this too while the context lasts."""
        self.tellers.append(tell)
        try:
            yield
        finally:
            self.tellers.remove(tell)


def hub_secret(settings: Settings) -> bytes:
    """What tokens are signed with and secrets sealed: HUB_SECRET_KEY, or one made on the first
    start."""
    if settings.secret_key:
        return settings.secret_key.encode()
    path = settings.data_dir / SECRET_FILE
    if not path.exists():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_bytes()


def write_private(path: Path, text: str) -> None:
    """A file that only its owner reads, complete from the first moment it has its name."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)


def limits_of(settings: Settings) -> Limits:
    """What the governor holds AI participants to, in every tenant."""
    budget = Budget(settings.budget_runs, settings.budget_tokens, settings.budget_seconds)
    return Limits(settings.depth_cap, settings.replies_cap, settings.exchanges_cap, budget=budget)


def make_registry(settings: Settings, client: httpx.AsyncClient) -> ModelRegistry:
    """The models of the settings file and the builtin ones."""
    configured = {}
    for slug, model in settings.models.items():
        price = Price(model.price.prompt, model.price.completion) if model.price else None
        configured[slug] = ModelConfig(**model.model_dump(exclude={"price"}), price=price)
    return ModelRegistry(configured, os.environ, client)


@contextlib.asynccontextmanager
async def open_catalogue(settings: Settings, store: SqlStore) -> AsyncIterator[ModelCatalogue]:
    """Every tenant's models: servers of the settings file are trusted, those that tenants name are
    reached through the guard."""
    async with open_client() as trusted, guarded_client(settings.outbound_allow) as guarded:
        operators = make_registry(settings, trusted)
        yield ModelCatalogue(operators, store.models.of, guarded, Seal(hub_secret(settings)))


@contextlib.asynccontextmanager
async def open_tokens(settings: Settings) -> AsyncIterator[Tokens | None]:
    """What tells good tokens from others; None when the settings trust nobody to sign any."""
    secret, url = settings.jwt_secret, settings.jwt_jwks_url
    if not secret and not url:
        yield None
        return
    from hub.identity.keyset import open_key_set  # 10 MB of cryptography
    from hub.identity.tokens import Tokens

    async with contextlib.AsyncExitStack() as stack:
        keys = await stack.enter_async_context(open_key_set(url)) if url else None
        audience, issuer = settings.token_audience, settings.jwt_issuer
        yield Tokens(audience, issuer, secret, keys, now_ms)


@contextlib.asynccontextmanager
async def open_parts(settings: Settings, redis_url: str) -> AsyncIterator[Parts]:
    """Everything but the edges, open until the context ends; then posts that were accepted are
    stored and published first. The database must have been migrated."""
    await asyncio.to_thread(make_room, settings.database)
    async with (
        open_store(settings.database, limits_of(settings)) as store,
        open_bus(redis_url, settings.redis_prefix, secrets.token_hex(6)) as bus,
        open_catalogue(settings, store) as models,
        open_tokens(settings) as tokens,
        working(assemble(settings, store, bus, models, tokens)) as parts,
    ):
        yield parts


@contextlib.asynccontextmanager
async def working(parts: Parts, stored_s: float = STORED_S) -> AsyncIterator[Parts]:
    """What parts do in the background, while the context lasts; then posts that were accepted are
    stored, as far as that takes no longer than `stored_s`, and the others are told."""
    publisher = parts.publisher
    work = (
        parts.writer.run, publisher.run, publisher.unpublished.run, parts.usage.run,
        parts.timeline.run, partial(_tidy, parts.store), parts.pulse.look, parts.pulse.beat,
        parts.access.uses.run,
    )  # fmt: skip
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(enduring(each)) for each in work]
        writing, publishing, noting, counting, *others = tasks
        try:
            yield parts
        finally:
            parts.writer.close()
            await asyncio.wait({writing}, timeout=stored_s)
            await end(writing)
            parts.writer.refuse()
            await publisher.drain(2)
            await end(publishing)
            await end(noting)
            await _say_bye(parts.bus)
            parts.usage.close()
            await asyncio.wait({counting}, timeout=COUNTED_S)
            for task in (counting, *others):
                await end(task)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(parts.timeline.move(), MOVED_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(parts.access.uses.flush(), NOTED_S)


async def _say_bye(bus: RedisBus) -> None:
    try:
        await bus.lives.bye()
    except Unavailable as error:
        log.debug("others will take this process for dead", reason=error.message)


async def _tidy(store: SqlStore) -> None:
    """Forget what is kept for a day."""
    while True:
        try:
            await store.forget_keys(now_ms() - KEYS_KEPT_MS)
        except Exception as error:
            tell(log, "old request keys stay for now", error)
        await asyncio.sleep(TIDY_S)


def assemble(
    settings: Settings,
    store: SqlStore,
    bus: RedisBus,
    models: ModelCatalogue,
    tokens: Tokens | None = None,
) -> Parts:
    """The services on a store and a bus; nothing works yet."""
    ids, lost, near, secret = make_ids(), Lost(), Near(), hub_secret(settings)
    publisher = Publisher(bus, lost, near)
    writer = Writer(store.posts, publisher, store.log)
    views = RoomViews(store.rooms)
    notices = Notices(publisher, now_ms)
    rooms = Rooms(store, views, publisher, notices, ids, now_ms)
    messages = Messages(store, views, writer, ids, now_ms)
    runs = Runs(store, views, publisher, ids, now_ms)
    sessions = Sessions(store, rooms, messages, publisher, models.knows, ids, now_ms)
    return Parts(
        settings=settings, secret=secret, store=store, bus=bus, models=models,
        ids=ids, publisher=publisher, writer=writer, lost=lost, near=near, views=views,
        access=Access(store, Tickets(bus, now_ms, secret), ids, now_ms, tokens), tokens=tokens,
        notices=notices, rooms=rooms, messages=messages,
        editing=Editing(store, views, publisher, ids, now_ms),
        reading=Reading(store, views, notices), searching=Searching(store, views),
        participants=Participants(
            store, models.knows, ids, now_ms, models.seal, callables=settings.callables,
            outbound_allow=settings.outbound_allow,
        ),
        runs=runs,
        answers=Answers(store, bus, publisher, ids, now_ms, secret),
        mapping=Models(store, models, ids, now_ms, models.seal, settings.outbound_allow),
        usage=Usage(store, limits_of(settings).budget, now_ms),
        timeline=Timeline(
            store.timeline, [bus.marks, KeptMarks(settings.data_dir / "mark.json")],
            lambda: publisher.committed,
        ),
        sessions=sessions, handling=Handling(store, bus, publisher, sessions, now_ms),
        rewriting=Rewriting(store, sessions, runs, publisher, ids, now_ms),
        promotions=Promotions(store, sessions, rooms, now_ms), pulse=Pulse(store),
    )  # fmt: skip
