"""`hub.core.claims`: what a token says, and what it may not say."""

from __future__ import annotations

import pytest

from hub.core.claims import LEEWAY_MS, LIFE_MS, Claims, claims_of
from hub.core.errors import Unauthenticated
from hub.core.values import Author, Json

NOW_S = 1_700_000_000
NOW_MS = NOW_S * 1000
DAY_S = LIFE_MS // 1000
LEEWAY_S = LEEWAY_MS // 1000


def said(**others: object) -> Json:
    return {"sub": "user_alice", "exp": NOW_S + 60} | others


def without(name: str) -> Json:
    return {key: value for key, value in said().items() if key != name}


def each(name: str, wrong: str, *values: object) -> list[tuple[Json, str]]:
    """Claims that are wrong in one of these ways."""
    return [(said(**{name: value}), wrong) for value in values]


def test_a_token_says_who_comes_until_when_and_what_they_may() -> None:
    found = claims_of(said(tenant="acme", scopes=["read"], exp=NOW_S + 0.25), NOW_MS)
    assert Claims("acme", "user_alice", NOW_MS + 250, ("read",)) == found


def test_what_is_left_out_is_the_first_tenant_and_all_that_a_key_may() -> None:
    found = claims_of(said(), NOW_MS)
    assert ("default", ("read", "write")) == (found.tenant_id, found.scopes)


@pytest.mark.parametrize("role", ["tenant_admin", "admin"])
@pytest.mark.parametrize("claim", ["role", "roles", "admin", "is_admin"])
def test_no_claim_makes_an_admin(claim: str, role: str) -> None:
    found = claims_of(said(**{claim: role}), NOW_MS)
    actor = found.actor(Author("user_alice", "user", "alice", "Alice"))
    assert ("tenant_user", False) == (actor.role, actor.is_admin)


@pytest.mark.parametrize(
    ("claims", "wrong"),
    [
        (without("exp"), "exp"),
        (said(exp=NOW_S), "expired"),
        (said(exp=NOW_S - 1), "expired"),
        (said(exp=0), "expired"),
        *each("exp", "exp must be a number",
            None, True, "1700000060", -1, float("nan"), float("inf"), 10**400, [NOW_S + 60], {}),
        (said(exp=NOW_S + LEEWAY_S + DAY_S + 1), "24 hours"),
        (said(exp=NOW_S + DAY_S, iat=NOW_S - 1), "24 hours"),
        (said(exp=NOW_S + 60, iat=NOW_S - DAY_S), "24 hours"),
        (said(iat=NOW_S + LEEWAY_S + 1), "iat lies in the future"),
        (said(nbf=NOW_S + LEEWAY_S + 1), "nbf lies in the future"),
        (said(iat="now"), "iat must be a number"),
        (said(iat=None), "iat must be a number"),
        (said(nbf=float("nan")), "nbf must be a number"),
        (without("sub"), "sub"),
        *each("sub", "sub must be a participant's id",
            "", "alice", "user_", "user_ALICE", "user_alice\n", "user_a:b", "room_1", None, 7,
            ["user_alice"], "user_" + "a" * 65),
        *each("tenant", "tenant",
            "", "Acme", "a:b", "a/b", None, 1, ["default"], "default\n", "a" * 81),
        *each("scopes", "scopes must be",
            [], ["write"], ["read", "read"], ["read", "admin"], ["read", "write", "admin"],
            "read", "read write", None, {"read": True}, [["read"]], ["READ"]),
    ],
)  # fmt: skip
def test_a_claim_that_is_wrong_is_named(claims: Json, wrong: str) -> None:
    with pytest.raises(Unauthenticated, match=wrong):
        claims_of(claims, NOW_MS)


@pytest.mark.parametrize(
    "claims",
    [
        said(iat=NOW_S + LEEWAY_S, nbf=NOW_S + LEEWAY_S),  # the issuer's clock is ahead
        said(exp=NOW_S + LEEWAY_S + DAY_S, iat=NOW_S + LEEWAY_S),
        said(exp=NOW_S + DAY_S),
        said(exp=NOW_S + 60, iat=NOW_S + 60 - DAY_S),
        said(scopes=["write", "read"]),
        said(sub="bot_design-reviewer_2"),
    ],
)
def test_what_is_just_right_is_taken(claims: Json) -> None:
    assert claims["sub"] == claims_of(claims, NOW_MS).participant_id


def test_all_tokens_of_a_participant_stand_under_one_id_which_no_key_has() -> None:
    one, other = (claims_of(said(exp=NOW_S + life), NOW_MS) for life in (60, 90))
    assert one.key_id == other.key_id == "jwt:default:user_alice"
    foreign = claims_of(said(tenant="acme"), NOW_MS)
    assert one.key_id != foreign.key_id
