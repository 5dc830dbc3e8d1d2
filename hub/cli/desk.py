"""The desk of a data directory's hub: while one holds the directory everything goes through its
REST API; when none does the commands hold it themselves and work on the database."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar, cast

from hub.bootstrap import ADMIN, prepare_database
from hub.cli.lock import Locked, hold_lock
from hub.cli.reach import Stop, admin_key, settings_or_stop, stop_for
from hub.client import open_client
from hub.core.chat import Finish, TextDelta, Usage
from hub.core.ids import TENANT, IdMaker
from hub.core.values import Actor, Json
from hub.models.base import open_stream
from hub.models.catalogue import ModelCatalogue
from hub.parts import SECRET_FILE, now_ms, open_catalogue
from hub.ports import Page
from hub.service.access import Access
from hub.service.models import Models
from hub.service.participants import Participants
from hub.service.tickets import Tickets
from hub.settings import Settings
from hub.store.migrate import UnusableDatabase
from hub.store.opening import SQLITE, is_postgres, open_store
from hub.wire.bodies import validate
from hub.wire.completions import CompletionBody, Shapes, message_of
from hub.wire.requests import CreateKey, CreateParticipant, PutModel

EVERYTHING: Final = 100_000
T = TypeVar("T")


class Desk(Protocol):
    """What can be administered, in the shapes of the API; `RoomhubClient` is one."""

    async def keys(self) -> list[Json]: ...
    async def create_key(self, body: Json) -> Json: ...
    async def revoke_key(self, key_id: str) -> Json: ...
    async def participants(self) -> list[Json]: ...
    async def create_participant(self, body: Json) -> Json: ...
    async def disable_participant(self, participant_id: str) -> Json: ...
    async def models(self) -> list[Json]: ...
    async def put_model(self, slug: str, body: Json) -> Json: ...
    async def delete_model(self, slug: str) -> Json: ...
    async def complete(self, body: Json) -> Json: ...


class _Database:
    """The desk of a hub that is not running: the use cases straight on its database."""

    def __init__(
        self,
        access: Access,
        participants: Participants,
        mapping: Models,
        catalogue: ModelCatalogue,
        actor: Actor,
    ) -> None:
        self._access = access
        self._participants = participants
        self._mapping = mapping
        self._catalogue = catalogue
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

    async def models(self) -> list[Json]:
        own = {model.slug: model for model in await self._mapping.own(self._actor)}
        registry = await self._catalogue.of(self._actor.tenant_id)
        return [entry.for_admins(own.get(entry.slug)) for entry in registry.entries()]

    async def put_model(self, slug: str, body: Json) -> Json:
        stored = await self._mapping.put(self._actor, slug, validate(PutModel, body))
        entry = (await self._catalogue.of(self._actor.tenant_id)).get(slug)
        return entry.for_admins(stored) if entry else {"id": slug} | stored.as_dict()

    async def delete_model(self, slug: str) -> Json:
        gone = await self._mapping.delete(self._actor, slug)
        return {"id": gone.slug, "object": "model", "deleted": True} | gone.as_dict()

    async def complete(self, body: Json) -> Json:
        asked = validate(CompletionBody, body)
        registry = await self._catalogue.of(self._actor.tenant_id)
        request = asked.request(asked.model, {})
        texts: list[str] = []
        usage = Usage(0, 0)
        async with open_stream(registry.backend(asked.model), request) as parts:
            async for part in parts:
                if isinstance(part, TextDelta):
                    texts.append(part.text)
                elif isinstance(part, Finish):
                    usage = part.usage or usage
        return Shapes("", 0, asked.model, usage=True).whole(
            message_of("".join(texts), ()), "stop", usage
        )


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
    made = (folder / SECRET_FILE).exists()
    if is_postgres(settings.database) and settings.secret_key is None and not made:
        raise Stop("set HUB_SECRET_KEY to that of the gateways")
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
        no_tickets = cast(Tickets, None)  # they need Redis, and nobody asks for them here
        ids = IdMaker(now_ms, secrets.randbits)
        access = Access(store, no_tickets, ids, now_ms)
        mapping = Models(store, models, ids, now_ms, models.seal, settings.outbound_allow)
        people = Participants(
            store, models.knows, ids, now_ms, models.seal,
            callables=settings.callables, outbound_allow=settings.outbound_allow,
        )  # fmt: skip
        actor = Actor(TENANT, admin.author(), "tenant_admin", "cli")
        return await work(_Database(access, people, mapping, models, actor))
