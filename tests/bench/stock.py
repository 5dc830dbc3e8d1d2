"""A database full of rooms, members, keys and messages, written past the hub: to make thousands
over REST takes longer than what is measured."""

from __future__ import annotations

import secrets
from typing import Any, Final

from sqlalchemy import Connection, insert

from hub.bench.opening import LAST
from hub.bench.stage import Stage
from hub.core.posts import NewPost, Posted
from hub.core.values import Author, Member, Participant, Room
from hub.parts import make_ids, now_ms
from hub.service.access import digest_of
from hub.store.opening import open_store
from hub.store.schema import api_keys, participants
from hub.store.store import SqlStore

TENANT: Final = "default"
SIZE: Final = 200
Row = dict[str, Any]


async def stock(url: str, rooms: int, members: int, missed: int) -> tuple[Stage, int]:
    """So many rooms with so many members each, all with keys of their own; and the seq after which
    every room has `missed` messages, of which the last says so. The database must be migrated and
    have its tenant."""
    ids, tag = make_ids(), secrets.token_hex(4)
    people = [_author(f"{tag}_{number}") for number in range(rooms * members)]
    keys = [(ids.make("key"), secrets.token_urlsafe(32)) for _ in people]
    room_ids = tuple(ids.make("room") for _ in range(rooms))
    async with open_store(url) as store:
        await store.database.write(lambda c: _admit(c, people, keys))
        for index, room_id in enumerate(room_ids):
            await _furnish(store, room_id, people[index * members : (index + 1) * members])
        heads = {each.head for each in (await store.log.heads(room_ids)).values()}
        assert len(heads) == 1
        for room_id, author in zip(room_ids, people[::members], strict=True):
            await _post(store, room_id, author, missed)
    tokens = tuple(f"rhk_{key_id.removeprefix('key_')}_{secret}" for key_id, secret in keys)
    return Stage(room_ids, tuple(each.id for each in people), tokens, {}), heads.pop()


def _author(name: str) -> Author:
    return Author(f"user_{name}", "user", name, name)


def _admit(connection: Connection, people: list[Author], keys: list[tuple[str, str]]) -> None:
    at_ms = now_ms()
    connection.execute(insert(participants), [_participant(each, at_ms) for each in people])
    made = zip(people, keys, strict=True)
    connection.execute(insert(api_keys), [_key(who, key, at_ms) for who, key in made])


def _participant(who: Author, at_ms: int) -> Row:
    new = Participant(TENANT, who.id, who.type, who.handle, who.name, None, at_ms)
    return {c.name: getattr(new, c.name) for c in participants.c} | {"secrets": None}


def _key(who: Author, key: tuple[str, str], at_ms: int) -> Row:
    return {
        "id": key[0], "tenant_id": TENANT, "participant_id": who.id, "name": "bench",
        "digest": digest_of(key[1]), "role": "tenant_user", "created_ms": at_ms,
        "expires_ms": None, "revoked_ms": None,
    }  # fmt: skip


async def _furnish(store: SqlStore, room_id: str, people: list[Author]) -> None:
    at_ms = now_ms()
    room = Room(
        room_id, TENANT, "room", "stock", "", private=True, created_ms=at_ms,
        created_by=people[0].id, archived_ms=None, head=0, first_seq=1,
        epoch=secrets.token_hex(4), acl_version=0, settings={},
    )  # fmt: skip
    await store.rooms.create(
        room, [Member(each, "member", "mention", at_ms) for each in people], None
    )


async def _post(store: SqlStore, room_id: str, author: Author, count: int) -> None:
    ids, view = make_ids(), await store.rooms.view(TENANT, room_id)
    assert view is not None
    texts = [f"missed {number} ".ljust(SIZE, "x") for number in range(count - 1)] + [LAST]
    posts = [
        NewPost(TENANT, room_id, view.room.acl_version, ids.make("msg"), author, text, now_ms())
        for text in texts
    ]
    assert all(isinstance(each, Posted) for each in await store.posts.commit(posts))
