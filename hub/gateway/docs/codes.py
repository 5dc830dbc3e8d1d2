"""Every code of an error: its HTTP status, and what it means."""

from __future__ import annotations

from typing import Final, NamedTuple


class Code(NamedTuple):
    """The status is that of an answer over HTTP; a WebSocket's reply has the code alone."""

    status: int
    meaning: str


def _missing(what: str) -> Code:
    return Code(404, f"There is no such {what}, or none for this caller")


CODES: Final[dict[str, Code]] = {
    "AUTH_TOKEN_MISSING": Code(401, "Send a key or token as Authorization: Bearer"),
    "AUTH_TOKEN_INVALID": Code(
        401, "The key, token or ticket is wrong, was revoked, or has expired"
    ),
    "AUTHZ_PERMISSION_DENIED": Code(403, "The caller may see this and not do it"),
    "NOT_FOUND": Code(404, "There is nothing at this path"),
    "ROOM_NOT_FOUND": _missing("room"),
    "SESSION_NOT_FOUND": _missing("session"),
    "MESSAGE_NOT_FOUND": _missing("message"),
    "PARTICIPANT_NOT_FOUND": _missing("participant"),
    "RUN_NOT_FOUND": _missing("run"),
    "MODEL_NOT_FOUND": _missing("model"),
    "KEY_NOT_FOUND": _missing("key"),
    "FILE_NOT_FOUND": _missing("file of the page"),
    "METHOD_NOT_ALLOWED": Code(405, "The header Allow names the methods there are"),
    "ALREADY_EXISTS": Code(409, "The id, handle or slug is taken"),
    "IDEMPOTENCY_CONFLICT": Code(409, "The same key or client_id was used for something else"),
    "LAST_OWNER": Code(409, "A room keeps at least one owner"),
    "MODEL_IN_USE": Code(409, "Something else refers to the model"),
    "ROOM_ARCHIVED": Code(409, "Restore the room first"),
    "RUN_STATE": Code(409, "The run has ended, or is another's by now"),
    "SESSION_BUSY": Code(409, "A reply is being written: wait for it, or cancel it"),
    "SESSION_CLOSED": Code(409, "Set the session's status to active, or go on in its room"),
    "SESSION_TAKEN": Code(409, "A person answers in this session; details name who"),
    "TOO_MANY_MODELS": Code(409, "Remove a model first"),
    "PAYLOAD_TOO_LARGE": Code(413, "The body is over its limit; a head over its own is 431"),
    "UNSUPPORTED_MEDIA_TYPE": Code(415, "Bodies are application/json, not compressed"),
    "VALIDATION_ERROR": Code(422, "Something is not as it must be; details name every field"),
    "UPGRADE_REQUIRED": Code(426, "This path is a WebSocket"),
    "RATE_LIMITED": Code(429, "Too much; retry_after, where it is, says when to come back"),
    "BUDGET_EXCEEDED": Code(429, "A budget is spent; retry_after says when it begins anew"),
    "INTERNAL": Code(500, "A fault of the hub; its log has the request_id"),
    "BACKEND_ERROR": Code(502, "The model, bot or agent behind the hub failed"),
    "BUS_UNAVAILABLE": Code(503, "Redis does not answer; try again"),
    "MODEL_UNAVAILABLE": Code(503, "The model cannot be asked now"),
    "AUTH_UNAVAILABLE": Code(503, "The keys that tokens are signed with cannot be read now"),
    "STORE_UNAVAILABLE": Code(503, "The database does not answer; nothing was stored"),
    "OUTCOME_UNKNOWN": Code(503, "It may be stored: try again with the same key"),
    "BACKEND_TIMEOUT": Code(504, "The model, bot or agent took too long"),
}
