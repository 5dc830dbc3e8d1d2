"""`hub.core.errors`: the tree, its codes and its one shape."""

from __future__ import annotations

import pytest

from hub.core.errors import (
    Backend,
    BackendTimeout,
    Conflict,
    Denied,
    FieldError,
    HubError,
    Invalid,
    Limited,
    MethodNotAllowed,
    Missing,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
    invalid,
    missing,
)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (HubError, 500, "INTERNAL"),
        (Unauthenticated, 401, "AUTH_TOKEN_INVALID"),
        (Denied, 403, "AUTHZ_PERMISSION_DENIED"),
        (Missing, 404, "NOT_FOUND"),
        (Conflict, 409, "ALREADY_EXISTS"),
        (TooLarge, 413, "PAYLOAD_TOO_LARGE"),
        (UnsupportedMedia, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (Invalid, 422, "VALIDATION_ERROR"),
        (Limited, 429, "RATE_LIMITED"),
        (Backend, 502, "BACKEND_ERROR"),
        (BackendTimeout, 504, "BACKEND_TIMEOUT"),
        (Unavailable, 503, "STORE_UNAVAILABLE"),
    ],
)
def test_every_error_has_the_code_and_status_of_the_contract(
    kind: type[HubError], status: int, code: str
) -> None:
    error = kind("what happened")
    assert (error.status, error.code) == (status, code)
    assert error.as_dict() == {"code": code, "message": "what happened"}


def test_a_method_that_is_not_allowed_says_which_are() -> None:
    error = MethodNotAllowed("no", allowed="GET, POST")
    assert (error.status, error.code, error.allowed) == (405, "METHOD_NOT_ALLOWED", "GET, POST")


def test_details_and_retry_after_are_shown_only_when_there_are_any() -> None:
    error = HubError("two", code="X", details=(FieldError("a", "is required"),), retry_after=0.0)
    assert error.as_dict() == {
        "code": "X",
        "message": "two",
        "details": [{"field": "a", "message": "is required"}],
        "retry_after": 0.0,
    }


def test_a_validation_error_names_its_field() -> None:
    error = invalid("initial_members[2].id", "there is no participant user_x")
    assert error.message == "initial_members[2].id: there is no participant user_x"
    assert error.as_dict()["details"] == [
        {"field": "initial_members[2].id", "message": "there is no participant user_x"}
    ]


@pytest.mark.parametrize("noun", ["room", "session", "message", "participant", "run", "model"])
def test_what_is_missing_is_named_in_the_code(noun: str) -> None:
    assert (missing(noun).code, missing(noun).status) == (f"{noun.upper()}_NOT_FOUND", 404)


def test_a_backend_error_is_final_unless_it_says_otherwise() -> None:
    assert not Backend("no").transient
    assert BackendTimeout("late", transient=True).transient


def test_a_twin_is_the_same_error_and_another_object() -> None:
    for error in (
        MethodNotAllowed("no", allowed="GET, POST"),
        Unavailable("perhaps", code="OUTCOME_UNKNOWN", retry_after=2),
        Backend("no", transient=True, answered=500, details=(FieldError("a", "b"),)),
    ):
        twin = error.twin()
        assert (type(error), str(error), vars(error)) == (type(twin), str(twin), vars(twin))
        twin.details = (FieldError("mine", "alone"),)
        assert error.details != twin.details
