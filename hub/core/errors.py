"""The one error tree. Every edge translates it once: HTTP status, WebSocket reply, run outcome.

HubError
├── Unauthenticated       AUTH_TOKEN_MISSING, AUTH_TOKEN_INVALID
├── Denied                AUTHZ_PERMISSION_DENIED
├── Missing               *_NOT_FOUND
├── Invalid               VALIDATION_ERROR, with the fields at fault
├── MethodNotAllowed      METHOD_NOT_ALLOWED
├── TooLarge              PAYLOAD_TOO_LARGE
├── UnsupportedMedia      UNSUPPORTED_MEDIA_TYPE
├── UpgradeRequired       UPGRADE_REQUIRED, of a path that is a WebSocket
├── Conflict              IDEMPOTENCY_CONFLICT, ALREADY_EXISTS, ROOM_ARCHIVED, SESSION_CLOSED, …
├── Limited               RATE_LIMITED, BUDGET_EXCEEDED
├── Backend               BACKEND_ERROR, BACKEND_TIMEOUT, MODEL_UNAVAILABLE
└── Unavailable           STORE_UNAVAILABLE (not stored), OUTCOME_UNKNOWN (retry with the same key),
                          AUTH_UNAVAILABLE
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a request that is wrong, as a path such as `initial_members[2].id`."""

    field: str
    message: str


class HubError(Exception):
    """An error a client may see. `status` is its HTTP status, `retry_after` is in seconds."""

    status = 500
    code = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.details = details
        self.retry_after = retry_after

    def twin(self) -> Self:
        """The same error for somebody else, who may add to it, from where this one came from."""
        twin = type(self).__new__(type(self), *self.args)
        twin.__dict__.update(self.__dict__)
        return twin.with_traceback(self.__traceback__)

    def as_dict(self) -> dict[str, Any]:
        """The `error` object of every answer."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            body["details"] = [{"field": d.field, "message": d.message} for d in self.details]
        if self.retry_after is not None:
            body["retry_after"] = self.retry_after
        return body


class Unauthenticated(HubError):
    status = 401
    code = "AUTH_TOKEN_INVALID"


class Denied(HubError):
    status = 403
    code = "AUTHZ_PERMISSION_DENIED"


class Missing(HubError):
    status = 404
    code = "NOT_FOUND"


class MethodNotAllowed(HubError):
    """`allowed` lists the methods there are, for the Allow header."""

    status = 405
    code = "METHOD_NOT_ALLOWED"

    def __init__(self, message: str, *, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


class Conflict(HubError):
    status = 409
    code = "ALREADY_EXISTS"


class TooLarge(HubError):
    status = 413
    code = "PAYLOAD_TOO_LARGE"


class UpgradeRequired(HubError):
    """What is asked for is spoken in another protocol."""

    status = 426
    code = "UPGRADE_REQUIRED"


class UnsupportedMedia(HubError):
    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"


class Invalid(HubError):
    status = 422
    code = "VALIDATION_ERROR"


class Limited(HubError):
    status = 429
    code = "RATE_LIMITED"


class Backend(HubError):
    """A model or bot behind the hub failed; `transient` says whether another attempt may help,
    `answered` is the HTTP status it answered with, if it did."""

    status = 502
    code = "BACKEND_ERROR"

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        answered: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(message, **kwargs)
        self.transient = transient
        self.answered = answered


class BackendTimeout(Backend):
    status = 504
    code = "BACKEND_TIMEOUT"


class ModelUnavailable(Backend):
    """A model that cannot be asked now: its key is not set, or its server wants a rest."""

    status = 503
    code = "MODEL_UNAVAILABLE"


class PromptTooLong(Backend):
    """A model's server says that the prompt does not fit its window."""


class Unavailable(HubError):
    status = 503
    code = "STORE_UNAVAILABLE"


def invalid(field: str, message: str) -> Invalid:
    """A VALIDATION_ERROR about one field; `message` says what would be right."""
    return Invalid(f"{field}: {message}", details=(FieldError(field, message),))


def only_reads() -> Denied:
    """Something is to be changed by a key or token that may not."""
    return Denied("this key or token may only read: its scopes lack write")


def reused_key() -> Conflict:
    """An Idempotency-Key that was used before, for something else."""
    return Conflict(
        "this key was used before with another request body; use a new key",
        code="IDEMPOTENCY_CONFLICT",
    )


def missing(noun: str) -> Missing:
    """`missing("room")` is ROOM_NOT_FOUND; a foreign id and a missing one read the same."""
    return Missing(f"no such {noun}", code=f"{noun.upper()}_NOT_FOUND")
