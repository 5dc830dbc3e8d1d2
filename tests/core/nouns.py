"""Nouns of a hub for tests of pure code."""

from __future__ import annotations

from hub.core.values import Actor, Author, Member, MemberRole, Message, Room, Run, TenantRole

AT_MS = 1_780_000_000_000
ALICE = Author("user_alice", "user", "alice", "Alice")
BOB = Author("user_bob", "user", "bob", "Bob")
ELIZA = Author("persona_eliza", "persona", "eliza", "Eliza")


def actor(author: Author, *, role: TenantRole = "tenant_user", tenant: str = "acme") -> Actor:
    return Actor(tenant, author, role, f"key_{author.handle}")


def member(author: Author, role: MemberRole = "member", *, driven: bool = False) -> Member:
    return Member(author, role, "mention", AT_MS, driven)


def room(room_id: str, *, private: bool = True) -> Room:
    return Room(
        id=room_id, tenant_id="acme", kind="room", name="Design", description="", private=private,
        created_ms=AT_MS, created_by=ALICE.id, archived_ms=None, head=0, first_seq=1, epoch="e1",
        acl_version=1, settings={},
    )  # fmt: skip


def message(message_id: str, author: Author, content: str, seq: int = 1) -> Message:
    return Message(message_id, "room_1", seq, None, author, content, (), AT_MS)


def run(run_id: str, *, state: str = "queued") -> Run:
    return Run(
        id=run_id, tenant_id="acme", room_id="room_1", participant_id=ELIZA.id,
        trigger_message_id="msg_1", generation=0, thread_id="msg_1", state=state, reason=None,
        attempt=0, depth=1, root_message_id="msg_1", reply_message_id="msg_2", created_ms=AT_MS,
    )  # fmt: skip
