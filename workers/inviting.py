"""What a driver is given for a run: the participant, the conversation as it is now, a token."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.core import permissions
from hub.core.errors import Backend
from hub.core.invoking import Invocation
from hub.core.models import Price
from hub.core.tokens import RunToken, make_token
from hub.core.values import Json, Message, Participant, RoomView, Run
from hub.parts import Parts, now_ms
from hub.sealing import Unopenable, webhook_owner
from workers.context import Context, room_context, session_context

HISTORY: Final = 400
THREAD: Final = 100
MEMBERS: Final = 200
OTHER_BUDGET: Final = 8_192
TOKEN_SLACK_S: Final = 60.0
QUICK: Final = frozenset({"model", "webhook", "socket"})


class Unwelcome(Backend):
    """The participant may not speak where it was called."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invocation, and what the hub keeps to itself."""

    invocation: Invocation
    context: Context
    kind: str
    whole: bool
    price: Price | None = None


async def invite(parts: Parts, run: Run, share: float = 1.0) -> Invitation:
    """Read everything anew: between two attempts the room may have changed. `share` of the model's
    window is used. Raises Backend when there is nobody to ask any more."""
    participant = await _participant(parts, run)
    assert participant.driver is not None
    driver = participant.driver
    if run.room_id.startswith("sess_"):
        room, thread, context = await _session(parts, run, participant, share)
    else:
        room, thread, context = await _conversation(parts, run, participant, share)
    settings = parts.settings
    kind = str(driver["kind"])
    deadline_s = settings.run_deadline_s if kind in QUICK else settings.agent_deadline_s
    invocation = Invocation(
        run=run, participant=participant.author(), driver=driver, room=room,
        message=await _trigger(parts, run, thread),
        thread=tuple(thread[-THREAD:]), chat=context.request, deadline_s=deadline_s,
        reply_url=f"{settings.address}/v1/runs/{run.id}/reply",
        token=_token(parts, run, deadline_s), secrets=_secrets(parts, participant),
        answer=await _message(parts, run, run.answer_id) if run.answer_id else None,
    )  # fmt: skip
    whole = driver.get("response_mode") == "whole"
    model = (await parts.models.of(run.tenant_id)).get(context.request.model)
    return Invitation(invocation, context, kind, whole, model.price if model else None)


def _token(parts: Parts, run: Run, deadline_s: float) -> str:
    expires_ms = now_ms() + int((deadline_s + TOKEN_SLACK_S) * 1000)
    return make_token(parts.secret, RunToken(run.tenant_id, run.id, run.attempt, expires_ms))


def _secrets(parts: Parts, participant: Participant) -> tuple[str, ...]:
    """What its requests are signed with; one that cannot be read is missed only if it is the
    newest."""
    now, owner = now_ms(), webhook_owner(participant.tenant_id, participant.id)
    good = [each["secret"] for each in participant.secrets if (each["until_ms"] or now) >= now]
    found = []
    for place, sealed in enumerate(good):
        try:
            found.append(parts.models.seal.open(sealed, owner))
        except Unopenable as error:
            if place == 0:
                raise Backend(f"{error.message}; give the webhook a new one") from None
    return tuple(found)


async def _participant(parts: Parts, run: Run) -> Participant:
    found = await parts.store.participants.get(run.tenant_id, run.participant_id)
    if found is None or found.driver is None or found.disabled_ms is not None:
        raise Backend("the participant has no driver any more")
    return found


async def _message(parts: Parts, run: Run, message_id: str) -> Message:
    found = await parts.store.messages.get(run.tenant_id, run.room_id, message_id)
    if found is None:
        raise Backend("the message it was to answer is gone")
    return found


async def _trigger(parts: Parts, run: Run, thread: Sequence[Message]) -> Message:
    """It is nearly always the newest of what was just read."""
    for message in reversed(thread):
        if message.id == run.trigger_message_id:
            return message
    return await _message(parts, run, run.trigger_message_id)


async def _session(
    parts: Parts, run: Run, participant: Participant, share: float
) -> tuple[Json, Sequence[Message], Context]:
    store, driver = parts.store, participant.driver or {}
    session, history, budget = await asyncio.gather(
        store.sessions.get(run.tenant_id, run.room_id),
        store.messages.page(run.room_id, limit=HISTORY),
        _budget(parts, run, driver, share),
    )
    if session is None:
        raise Backend("the session was deleted")
    trigger, answers = await _trigger(parts, run, history), list[Message]()
    if trigger not in history:  # so much was said while it waited
        end = trigger.seq  # answers to what was said before it are stored after
        history, answers = await asyncio.gather(
            store.messages.page(run.room_id, limit=HISTORY, before=end + 1),
            store.messages.newest_of(run.room_id, participant.id, end, HISTORY),
        )
    known = [*history, *answers]
    context = session_context(run, session, driver, participant.author(), known, budget)
    return session.as_dict(), history, context


async def _conversation(
    parts: Parts, run: Run, participant: Participant, share: float
) -> tuple[Json, Sequence[Message], Context]:
    store, author = parts.store, participant.author()
    view = await parts.views.current(run.tenant_id, run.room_id)
    if view is None:
        raise Backend("the room is gone")
    if not permissions.may_post(view.members.get(participant.id)):
        raise Unwelcome("it may not post in this room any more")
    if view.room.archived_ms is not None:
        raise Unwelcome("the room is archived")
    thread = await store.messages.thread_end(run.room_id, run.thread_id, HISTORY)
    driver = participant.driver or {}
    budget = await _budget(parts, run, driver, share)
    context = room_context(run, driver, author, view, thread, budget)
    return _room(view), thread, context


def _room(view: RoomView) -> Json:
    members = [member.as_dict() for member in list(view.members.values())[:MEMBERS]]
    return view.room.as_dict() | {"members": members}


async def _budget(parts: Parts, run: Run, driver: Json, share: float) -> int:
    """Tokens of context: a share of the model's window less what the reply may take."""
    if driver.get("kind") != "model":
        return OTHER_BUDGET
    slug = driver["model"]
    entry = (await parts.models.of(run.tenant_id)).get(slug)
    if entry is None:
        raise Backend(f"there is no model {slug} any more", code="MODEL_NOT_FOUND")
    most = run.params.get("max_tokens") or driver.get("max_tokens") or entry.max_output_tokens
    free = entry.context_window - min(most, entry.max_output_tokens)
    return int(max(256, free) * share)
