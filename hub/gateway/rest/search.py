"""Finding messages, and who did what."""

from __future__ import annotations

from hub.core.errors import Denied, invalid
from hub.core.ids import participant_type
from hub.core.times import LAST_MS, parse_rfc3339
from hub.core.values import Message
from hub.gateway.rest.call import Answer, Call, Operation
from hub.ports import AuditRecord, Search
from hub.service.searching import words_of


async def search(call: Call) -> Answer:
    """Messages that have all the words, newest first."""
    page = call.page("search")
    author = call.query("author")
    if author is not None and participant_type(author) is None:
        raise invalid("author", "must be a participant's id")
    wanted = Search(
        call.actor.tenant_id, call.actor.id, words_of(call.query("q")), page.limit,
        room_id=call.query("room_id"), author_id=author, before_ms=_time(call, "before"),
        after_ms=_time(call, "after"), below_id=page.after,
    )  # fmt: skip
    found = await call.parts.searching.find(call.actor, wanted)
    return call.listed("search", found, lambda message: str(message.id), Message.as_dict)


def _time(call: Call, name: str) -> int | None:
    text = call.query(name)
    if text is None:
        return None
    try:
        at_ms = parse_rfc3339(text)
    except ValueError:
        raise invalid(name, "must be an RFC 3339 time such as 2030-01-31T12:00:00Z") from None
    return min(at_ms, LAST_MS)


async def audit_log(call: Call) -> Answer:
    """Who did what, newest first; for admins."""
    if not call.actor.is_admin:
        raise Denied("the audit log is for a tenant_admin")
    found = await call.parts.store.audit.page(call.actor.tenant_id, call.page("audit"))
    return call.listed("audit", found, lambda record: str(record.id), AuditRecord.as_dict)


OPERATIONS = [
    Operation(
        "GET", "/v1/search", search, "Find messages by their words",
        query=("q", "room_id", "author", "before", "after", "limit", "cursor"),
    ),
    Operation("GET", "/v1/audit-log", audit_log, "Who did what", query=("limit", "cursor")),
]  # fmt: skip
