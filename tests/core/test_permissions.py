"""`hub.core.permissions`: the table of who may do what in a room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.core.permissions import may_manage, may_post, may_read
from hub.core.values import MEMBER_ROLES, MemberRole

from .nouns import ALICE, actor, member, room

PRIVATE = room("room_1", private=True)
PUBLIC = room("room_2", private=False)
SESSION = replace(room("sess_1", private=False), kind="session")


@pytest.mark.parametrize(
    ("role", "posts", "manages"),
    [
        ("owner", True, True),
        ("admin", True, True),
        ("member", True, False),
        ("observer", False, False),
        ("guest", True, False),
    ],
)
def test_a_role_posts_and_manages_as_the_contract_says(
    role: MemberRole, posts: bool, manages: bool
) -> None:
    assert (may_post(member(ALICE, role)), may_manage(member(ALICE, role))) == (posts, manages)


@pytest.mark.parametrize("role", MEMBER_ROLES)
def test_every_member_reads(role: MemberRole) -> None:
    assert may_read(actor(ALICE), PRIVATE, member(ALICE, role))


def test_who_is_no_member_neither_posts_nor_manages() -> None:
    assert not may_post(None)
    assert not may_manage(None)


def test_a_stranger_of_the_tenant_reads_a_public_room_and_no_session() -> None:
    assert may_read(actor(ALICE), PUBLIC, None)
    assert not may_read(actor(ALICE), PRIVATE, None)
    assert not may_read(actor(ALICE), SESSION, None)


def test_an_admin_of_the_tenant_reads_everything_and_posts_nothing() -> None:
    admin = actor(ALICE, role="tenant_admin")
    assert all(may_read(admin, each, None) for each in (PRIVATE, PUBLIC, SESSION))


def test_another_tenant_reads_nothing_whatever_its_roles() -> None:
    foreign = actor(ALICE, role="tenant_admin", tenant="other")
    for each in (PRIVATE, PUBLIC, SESSION):
        assert not may_read(foreign, each, None)
        assert not may_read(foreign, each, member(ALICE, "owner"))
