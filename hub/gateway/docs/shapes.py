"""Every event there is, with what it carries: made by the values and functions that send them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from hub.core.governor import Budget, Spent, budget_warning
from hub.core.posts import run_event
from hub.core.touches import Unread
from hub.core.values import Author, Draft, Json, Member, Message, Room, Run
from hub.gateway.presence import difference
from hub.service.reading import shown

_AT: Final = 1_700_000_000_000
_ALICE: Final = Author("user_alice", "user", "alice", "Alice")
_BARE: Final = Message("msg_1", "room_1", 1, None, _ALICE, "Hello", (), _AT)
_FULL: Final = _BARE._replace(
    thread_id="msg_0", mention=(_ALICE.ref(),), client_id="1", run_id="run_1",
    edited_ms=_AT, deleted_ms=_AT, last_reply_ms=_AT,
)  # fmt: skip
_ROOM: Final = Room(
    "room_1", "default", "room", "Design", "", True, _AT, "user_alice", None, 1, 1, "9f31c2aa", 1,
    {},
)  # fmt: skip
_RUN: Final = Run(
    "run_1", "default", "room_1", "bot_x", "msg_1", 0, "msg_1", "queued", None, 0, 1, "msg_1",
    "msg_2", _AT,
)  # fmt: skip
_DRAFT: Final = Draft("run_1", "msg_2", "msg_1", _ALICE.as_dict(), 1, "Hel")
_MESSAGES: Final = (_BARE.as_dict(), _FULL.as_dict())
_MEMBER: Final = Member(_ALICE, "member", "mention", _AT).as_dict()
_WARNING: Final = budget_warning("room", Budget(runs=1), Spent(), Spent(runs=1))
_RUNS: Final = (run_event(_RUN), run_event(replace(_RUN, reason="the hop cap"), _WARNING))
_REACTION: Final = {"message_id": "msg_1", "emoji": "👍", "participant": _ALICE.ref()}
_BY: Final = {"by": _ALICE.ref()}


def _told(room: Room) -> Json:
    about = room.as_dict() | _BY
    about.pop("head")
    return about


_ROOMS: Final = (_told(_ROOM), _told(replace(_ROOM, archived_ms=_AT)))


@dataclass(frozen=True, slots=True)
class Shape:
    """One type of event. `where` is `log` for those with a seq, `room` for those without, `own` for
    what comes without subscribing; an event `of_room` names it."""

    summary: str
    where: str
    samples: tuple[Json, ...]
    of_room: bool = True


EVENTS: Final[dict[str, Shape]] = {
    "room.updated": Shape("The room was changed or restored", "log", _ROOMS),
    "room.archived": Shape("The room was archived", "log", _ROOMS),
    "member.joined": Shape("Somebody joined", "log", (_MEMBER,)),
    "member.updated": Shape("A member's role or engagement changed", "log", (_MEMBER,)),
    "member.left": Shape("Somebody left or was removed", "log", (_ALICE.ref(),)),
    "message.created": Shape("A message, as it is now", "log", _MESSAGES),
    "message.updated": Shape("A message has another text", "log", _MESSAGES),
    "message.deleted": Shape("A message's text is gone", "log", _MESSAGES),
    "reaction.added": Shape("Somebody reacted", "log", (_REACTION,)),
    "reaction.removed": Shape("A reaction was taken back", "log", (_REACTION,)),
    "run.queued": Shape("An AI participant was asked", "log", _RUNS),
    "run.waiting": Shape("A run waits for a person or an answer", "log", _RUNS),
    "run.finished": Shape("A run has ended, or was held back", "log", _RUNS),
    "message.delta": Shape(
        "Text appended to a reply that is being written, at `offset` characters", "room",
        (_DRAFT.as_dict(), _DRAFT.as_dict() | {"thread_id": None}),
    ),
    "run.status": Shape(
        "What an AI participant is doing", "room",
        ({"run_id": "run_1", "participant": _ALICE.as_dict(), "text": "searching"},
         {"run_id": "run_1", "text": ""}),
    ),
    "typing": Shape(
        "Somebody writes", "room",
        tuple({"participant": _ALICE.ref(), "thread_id": each} for each in (None, "msg_1")),
    ),
    "presence": Shape(
        "Who came and who went; over 500 people only `count`", "room",
        (difference(frozenset({"user_bob"}), frozenset({"user_alice"})),),
    ),
    "room.added": Shape("One is a member of a room now", "own", ({"room": _ROOM.as_dict()} | _BY,)),
    "room.removed": Shape(
        "One may read a room no longer", "own",
        ({"room_id": "room_1"} | _BY, {"room_id": "room_1"}),
    ),
    "mention": Shape("A new message mentions one", "own", _MESSAGES),
    "read": Shape(
        "One has read further, perhaps elsewhere", "own",
        tuple({"room_id": "room_1", "thread_id": thread, "seq": 1} | shown(Unread(seq, 0, 0))
              for thread, seq in ((None, 1), ("msg_1", None))),
    ),
    "queue": Shape(
        "A session waits for a person, or no longer", "own",
        ({"waiting": True, "session": {}},),
    ),
    "run.offered": Shape("A run for this socket bot to take", "own", ({"token": "…"},)),
    "run.withdrawn": Shape("A run was taken away", "own", ({"run_id": "run_1"},), of_room=False),
    "auth.expiring": Shape(
        "The key or token ends within a minute: send another `auth`", "own",
        ({"expires_at": "2030-01-31T12:00:00.000Z"},), of_room=False,
    ),
}  # fmt: skip
