"""Real parts for component tests: a database, the services on it, people and rooms in it.

The database is a SQLite file, unless a folder's conftest takes its `database` from `stores`.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hub.bootstrap import prepare_database
from hub.core.posts import NewPost, Posted, RequestKey
from hub.core.triggers import Summons
from hub.core.values import (
    Actor,
    Author,
    Json,
    Member,
    MemberRole,
    Participant,
    Room,
    Session,
    TenantRole,
)
from hub.parts import Parts, open_parts
from hub.ports import AuditEntry
from hub.settings import Settings
from hub.store.opening import open_store
from hub.store.participants import add_tenant
from hub.store.store import SqlStore

AT_MS = 1_700_000_000_000
ACME, RIVAL = "acme", "rival"
ELIZA = "persona_eliza"
DRIVER: Json = {"kind": "model", "model": "builtin/eliza"}
PEOPLE: Mapping[str, Json | None] = {
    "user_alice": None,
    "user_bob": None,
    "user_carol": None,
    "user_admin": None,
    "bot_own": None,
    ELIZA: DRIVER,
    "persona_second": DRIVER,
}


class Ticker:
    """A clock that a test sets, in milliseconds."""

    def __init__(self, at_ms: int = AT_MS) -> None:
        self.at_ms = at_ms

    def __call__(self) -> int:
        return self.at_ms


@pytest.fixture(scope="session")
def blank_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database with everybody in both tenants, made once and copied for every test."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("blank"))
    prepare_database(settings)

    async def fill() -> None:
        async with open_store(settings.database) as opened:
            await add_people(opened)

    asyncio.run(fill())
    return settings.data_dir / "hub.db"


@pytest.fixture
def database(tmp_path: Path, blank_database: Path) -> str:
    """The URL of a fresh database with everybody in it."""
    return copy_blank(blank_database, tmp_path)


def copy_blank(blank: Path, folder: Path) -> str:
    """A SQLite file like `blank` in `folder`; returns its URL."""
    return f"sqlite:///{shutil.copy(blank, folder / 'hub.db')}"


@pytest.fixture
def settings(tmp_path: Path, database: str, prefix: str) -> Settings:
    """Settings of a hub on a fresh database; times are short."""
    return Settings(
        data_dir=tmp_path, database_url=database, redis_prefix=prefix, head_check_s=0.2,
        unsubscribe_delay_s=60, presence_tick_s=0.02, presence_lease_s=0.6, sweep_s=0.1,
        delta_flush_s=0.01, drain_s=2, secret_key="a secret",
    )  # fmt: skip


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[SqlStore]:
    """The store alone."""
    async with open_store(settings.database) as opened:
        yield opened


@pytest.fixture
async def parts(settings: Settings, valkey: str) -> AsyncIterator[Parts]:
    """All parts of a hub."""
    async with open_parts(settings, valkey) as opened:
        yield opened


async def add_people(store: SqlStore) -> None:
    for tenant in (ACME, RIVAL):
        await store.database.write(partial(add_tenant, tenant_id=tenant, name=tenant, at_ms=AT_MS))
        for participant_id, driver in PEOPLE.items():
            await store.participants.create(participant(participant_id, tenant, driver), None)


def participant(participant_id: str, tenant: str = ACME, driver: Json | None = None) -> Participant:
    kind, handle = participant_id.split("_", 1)
    return Participant(tenant, participant_id, kind, handle, handle.title(), driver, AT_MS)


def author(participant_id: str) -> Author:
    return participant(participant_id).author()


def actor(
    participant_id: str,
    tenant: str = ACME,
    role: TenantRole = "tenant_user",
    expires_ms: int | None = None,
) -> Actor:
    return Actor(tenant, author(participant_id), role, f"key_{participant_id}", expires_ms)


ADMIN = actor("user_admin", role="tenant_admin")
ALICE, BOB, CAROL = actor("user_alice"), actor("user_bob"), actor("user_carol")


def member(participant_id: str, role: MemberRole = "member", engagement: Any = "mention") -> Member:
    return Member(author(participant_id), role, engagement, AT_MS, bool(PEOPLE[participant_id]))


def room(room_id: str = "room_1", tenant: str = ACME, **changes: Any) -> Room:
    values: Json = {
        "id": room_id, "tenant_id": tenant, "kind": "room", "name": "Design", "description": "",
        "private": True, "created_ms": AT_MS, "created_by": "user_alice", "archived_ms": None,
        "head": 0, "first_seq": 1, "epoch": "e1", "acl_version": 0, "settings": {},
    }  # fmt: skip
    return Room(**values | changes)


async def add_room(
    store: SqlStore,
    room_id: str = "room_1",
    people: Sequence[str] = ("user_alice", "user_bob", ELIZA),
    *,
    tenant: str = ACME,
    **changes: Any,
) -> Room:
    """A room whose first member owns it; its log begins with their `member.joined`."""
    owner, *others = people
    members = [member(owner, "owner"), *(member(each) for each in others)]
    await store.rooms.create(room(room_id, tenant, **changes), members, None)
    view = await store.rooms.view(tenant, room_id)
    assert view is not None
    return view.room


async def add_session(
    store: SqlStore,
    session_id: str = "sess_1",
    owner: str = "user_alice",
    tenant: str = ACME,
    metadata: Json | None = None,
) -> Session:
    session = Session(
        id=session_id, tenant_id=tenant, owner=owner, participant_id=ELIZA, model="builtin/eliza",
        title=None, system_prompt=None, metadata=metadata or {}, status="active", handling="ai",
        message_count=0, created_ms=AT_MS, updated_ms=AT_MS,
    )  # fmt: skip
    members = [member(owner, "owner"), member(ELIZA, engagement="always")]
    await store.sessions.create(session, room(session_id, tenant, kind="session"), members, None)
    return session


def audit(object_id: str, action: str = "session.changed", by: Actor = ADMIN) -> AuditEntry:
    """What a privileged act leaves behind."""
    return AuditEntry(f"audit_{uuid.uuid4().hex}", by, action, object_id, AT_MS, {})


@dataclass
class Posts:
    """Makes posts to rooms as they are now, and stores them."""

    store: SqlStore
    tenant: str = ACME
    count: int = 0
    acl: dict[str, int] = field(default_factory=dict)

    async def new(
        self,
        room_id: str = "room_1",
        content: str = "hello",
        *,
        by: str = "user_alice",
        calls: Sequence[str] = (),
        thread_id: str | None = None,
        key: RequestKey | None = None,
        message_id: str | None = None,
        at_ms: int = AT_MS,
    ) -> NewPost:
        """A post whose ids are numbered: msg_00001, run_00001_0, reply_00001_0."""
        if room_id not in self.acl:
            view = await self.store.rooms.view(self.tenant, room_id)
            assert view is not None
            self.acl[room_id] = view.room.acl_version
        self.count += 1
        number = f"{self.count:05}"
        return NewPost(
            tenant_id=self.tenant, room_id=room_id, acl_version=self.acl[room_id],
            message_id=message_id or f"msg_{number}", author=author(by), content=content,
            at_ms=at_ms, thread_id=thread_id, key=key,
            summons=tuple(
                Summons(called, f"run_{number}_{i}", f"reply_{number}_{i}")
                for i, called in enumerate(calls)
            ),
            calls=tuple(calls),
        )  # fmt: skip

    async def send(self, room_id: str = "room_1", content: str = "hello", **rest: Any) -> Posted:
        """Store one."""
        (outcome,) = await self.store.posts.commit([await self.new(room_id, content, **rest)])
        assert isinstance(outcome, Posted), outcome
        return outcome
