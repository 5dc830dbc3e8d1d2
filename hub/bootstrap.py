"""The first start: the database brought up to date, a tenant, its admin, and a room to try."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from hub.core.ids import TENANT
from hub.core.values import ApiKey, Json, Member, Participant, Room
from hub.models.eliza import ELIZA_SLUG
from hub.parts import make_ids, now_ms, write_private
from hub.service.access import digest_of
from hub.settings import Settings
from hub.store import participants as participant_rows
from hub.store.opening import prepare
from hub.store.store import SqlStore

ADMIN: Final = "user_admin"
_REVIEWER_PROMPT = "You review designs. Be concrete, kind and brief."
_DEMO: Final[tuple[tuple[str, str, Json | None], ...]] = (
    ("user_alice", "Alice", None),
    ("user_bob", "Bob", None),
    ("user_carol", "Carol", None),
    ("bot_design_reviewer", "Design Reviewer",
     {"kind": "model", "model": ELIZA_SLUG, "system_prompt": _REVIEWER_PROMPT}),
    ("agent_researcher", "Researcher", {"kind": "model", "model": ELIZA_SLUG}),
    ("persona_poolnoodle", "Poolnoodle", {"kind": "model", "model": "scailabs/poolnoodle-omni"}),
)  # fmt: skip


def prepare_database(settings: Settings) -> bool:
    """Bring the schema up to date; True when there was anything to do. Raises
    UnusableDatabase."""
    return prepare(settings.database)


async def first_start(
    settings: Settings, store: SqlStore, *, demo: bool, key_anew: bool = True
) -> bool:
    """Make the tenant and its admin unless they are there; True on the first start.

    The admin's key lies in `admin.key` in the data directory. Where it is missing later on, a start
    with `key_anew` makes another.
    """
    key_file = settings.data_dir / "admin.key"
    new = await store.database.write(
        lambda c: participant_rows.add_tenant(c, TENANT, "Default", now_ms())
    )
    if new:
        await _add(store, ADMIN, "Admin", None)
        if demo:
            await _add_demo(store)
    if not key_file.exists() and (new or key_anew):
        await _add_admin_key(store, key_file)
    return new


async def _add(store: SqlStore, participant_id: str, name: str, driver: Json | None) -> Participant:
    kind, handle = participant_id.split("_", 1)
    made = Participant(TENANT, participant_id, kind, handle, name, driver, now_ms())
    await store.participants.create(made, None)
    return made


async def _add_admin_key(store: SqlStore, key_file: Path) -> None:
    ids = make_ids()
    key_id, secret = ids.make("key"), secrets.token_urlsafe(32)
    key = ApiKey(key_id, TENANT, ADMIN, "first key", "tenant_admin", now_ms(), None, None)
    await store.keys.create(key, digest_of(secret), None, None)
    write_private(key_file, f"rhk_{key_id.removeprefix('key_')}_{secret}")


async def _add_demo(store: SqlStore) -> None:
    """Everybody the documentation's examples name, and a room with all of them."""
    everybody = [await _add(store, *each) for each in _DEMO]
    admin = await store.participants.get(TENANT, ADMIN)
    assert admin is not None
    ids = make_ids()
    room = Room(
        id=ids.make("room"), tenant_id=TENANT, kind="room", name="Design Review",
        description="Weekly product design review", private=True, created_ms=now_ms(),
        created_by=ADMIN, archived_ms=None, head=0, first_seq=1, epoch=secrets.token_hex(4),
        acl_version=0, settings={},
    )  # fmt: skip
    members = [Member(admin.author(), "owner", "mention", now_ms())] + [
        Member(p.author(), "member", "mention", now_ms(), p.driver is not None) for p in everybody
    ]
    await store.rooms.create(room, members, None)
