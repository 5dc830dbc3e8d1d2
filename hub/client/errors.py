"""A hub's errors, as the hub itself has them: the `error` object of an answer made a HubError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

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
)

_KINDS: Final[dict[str, type[HubError]]] = {
    "AUTH_TOKEN_MISSING": Unauthenticated,
    "AUTH_TOKEN_INVALID": Unauthenticated,
    "AUTH_UNAVAILABLE": Unavailable,
    "AUTHZ_PERMISSION_DENIED": Denied,
    "METHOD_NOT_ALLOWED": MethodNotAllowed,
    "IDEMPOTENCY_CONFLICT": Conflict,
    "ALREADY_EXISTS": Conflict,
    "ROOM_ARCHIVED": Conflict,
    "SESSION_CLOSED": Conflict,
    "SESSION_BUSY": Conflict,
    "LAST_OWNER": Conflict,
    "PAYLOAD_TOO_LARGE": TooLarge,
    "UNSUPPORTED_MEDIA_TYPE": UnsupportedMedia,
    "VALIDATION_ERROR": Invalid,
    "RATE_LIMITED": Limited,
    "BUDGET_EXCEEDED": Limited,
    "BACKEND_ERROR": Backend,
    "BACKEND_TIMEOUT": BackendTimeout,
    "MODEL_UNAVAILABLE": Backend,
    "STORE_UNAVAILABLE": Unavailable,
    "OUTCOME_UNKNOWN": Unavailable,
}


class Unreachable(Unavailable):
    """No hub answered at all: whether the request arrived is not known."""

    code = "UNREACHABLE"


def hub_error(error: Mapping[str, Any]) -> HubError:
    """The error behind `{code, message, details?, retry_after?}`; a code that is not known (a
    later hub's) stays as it is on a plain HubError."""
    code = str(error.get("code") or "INTERNAL")
    kind = Missing if code.endswith("NOT_FOUND") else _KINDS.get(code, HubError)
    details = tuple(
        FieldError(str(each.get("field")), str(each.get("message")))
        for each in error.get("details") or ()
    )
    message = str(error.get("message") or code)
    return kind(message, code=code, details=details, retry_after=error.get("retry_after"))
