"""Whom a message speaks to, and whom it asks to answer: by name, by handle, by engagement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hub.core import permissions
from hub.core.governor import Budget, budget_of
from hub.core.ids import is_ai
from hub.core.mentions import handles_in
from hub.core.triggers import Summons
from hub.core.values import Json, Member, RoomView, Run

PAUSED: Final = "the room is paused"
OBSERVES: Final = "it only observes this room"
OUT_OF_USE: Final = "it is out of use"
LEFT: Final = "it is no member of this room any more"
MakeId = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Speech:
    """What a message sets off: its `mention` as stored, the AI participants among them, those
    asked to answer, and the room's budget for that."""

    mention: tuple[Json, ...] = ()
    calls: tuple[str, ...] = ()
    summons: tuple[Summons, ...] = ()
    budget: Budget | None = None


SAID_TO_NOBODY: Final = Speech()


def speech(
    view: RoomView,
    author_id: str,
    content: str,
    named: Iterable[str],
    in_thread: bool,
    params: Json,
    make_id: MakeId,
) -> Speech:
    """`named` are ids of members; in a session everything is said to its model."""
    if view.room.kind == "session":
        return Speech(summons=_summons(view, _model_of(view, author_id), params, make_id))
    spoken_to = _spoken_to(view, content, named)
    if not spoken_to and not view.listening:
        return SAID_TO_NOBODY
    calls = tuple(m.author.id for m in spoken_to if m.author.is_ai and m.author.id != author_id)
    called = [m for m in spoken_to if _is_callable(m) and m.engagement != "off"]
    listening: list[Member] = []
    if not is_ai(author_id):  # AI participants answer each other only when called by name
        listening = _listening(view, called, in_thread)
    asked = [
        *_summons(view, (m for m in called if m.author.id != author_id), params, make_id),
        *_summons(view, listening, params, make_id, listening=True),
    ]
    return Speech(
        mention=tuple(member.author.ref() for member in spoken_to),
        calls=calls,
        summons=tuple(asked),
        budget=budget_of(view.room.settings) if asked else None,
    )


def held_back(view: RoomView, member: Member | None) -> str | None:
    """Why an AI participant of the room is not set to work there, None when it may be."""
    if member is None:
        return LEFT
    if member.disabled:
        return OUT_OF_USE
    if view.room.settings.get("paused") is True:
        return PAUSED
    return None if permissions.may_post(member) else OBSERVES


def unanswered(view: RoomView, author_id: str, summons: Sequence[Summons]) -> bool:
    """Whether what a person says in a session is said to a model that is out of use: it is asked
    nothing, and no person has taken its place."""
    if summons or view.room.kind != "session" or is_ai(author_id):
        return False
    return any(
        member.author.is_ai and member.engagement != "off" for member in view.members.values()
    )


def _model_of(view: RoomView, author_id: str) -> list[Member]:
    """A session's model, on the session's own terms; nobody while a person answers instead."""
    busy = view.room.settings.get("busy", "queue")
    return [
        replace(member, busy=busy)
        for member in view.members.values()
        if member.driven and member.author.id != author_id and member.engagement != "off"
    ]


def _is_callable(member: Member) -> bool:
    """Whether a mention opens a run, be it one that says why there will be no answer."""
    return member.driven or (member.disabled and member.author.is_ai)


def _spoken_to(view: RoomView, content: str, named: Iterable[str]) -> list[Member]:
    """Members named in the request or in the text, each once, in that order."""
    found = {member_id: view.members[member_id] for member_id in named}
    for handle in handles_in(content):
        member = view.by_handle.get(handle)
        if member is not None:
            found.setdefault(member.author.id, member)
    return list(found.values())


def _listening(view: RoomView, called: Iterable[Member], in_thread: bool) -> list[Member]:
    """Members who answer without being named: always, or in threads they take part in."""
    known = {member.author.id for member in called}
    return [
        member
        for member in view.listening
        if member.author.id not in known
        and (member.engagement == "always" or in_thread)
        and permissions.may_post(member)
    ]


def _summons(
    view: RoomView,
    called: Iterable[Member],
    params: Json,
    make_id: MakeId,
    *,
    listening: bool = False,
) -> tuple[Summons, ...]:
    """`listening` ones were not called: who follows threads must have taken part in this one."""
    return tuple(
        Summons(
            member.author.id, make_id("run"), make_id("msg"), params,
            in_thread=listening and member.engagement == "thread",
            busy=member.busy, held=held_back(view, member),
        )
        for member in called
    )  # fmt: skip


def foreseen(view: RoomView, author_id: str, runs: Sequence[Run]) -> Json:
    """Which AI members a post would set to work, and why the others would stay silent."""
    decided = {run.participant_id: run for run in runs}
    would, would_not = [], []
    for member in view.members.values():
        if not member.author.is_ai:
            continue
        run = decided.get(member.author.id)
        if run is not None and run.state == "queued":
            would.append({"participant": member.author.ref()})
        else:
            reason = (run.reason if run else None) or _silent(member, author_id)
            would_not.append({"participant": member.author.ref(), "reason": reason})
    return {"would_run": would, "would_not_run": would_not}


def _silent(member: Member, author_id: str) -> str:
    if member.author.id == author_id:
        return "it is the author"
    if member.disabled:
        return OUT_OF_USE
    if not member.driven:
        return "it has no driver: its own program must listen"
    if not permissions.may_post(member):
        return OBSERVES
    if member.engagement == "off":
        return "its engagement is off"
    if member.engagement == "thread":
        return "it is not mentioned, and has not taken part in this thread"
    return "it is not mentioned"
