"""Answers from outside: a bot that took a run and answers later, by a run's token or over its own
connection. Every write is fenced by the attempt."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from hub.core import permissions
from hub.core.chat import estimate_tokens
from hub.core.errors import Conflict, Denied, Unauthenticated, Unavailable, invalid, missing
from hub.core.ids import IdMaker
from hub.core.mentions import handles_in
from hub.core.runs import OPEN, why_cancelled
from hub.core.text import CONTENT_BYTES, content_fault, text_fault
from hub.core.tokens import RunToken, make_token, read_token
from hub.core.values import Actor, Author, Draft, Run
from hub.ports import Bus, Clock, Renewed, Reply, Store
from hub.service.calling import Speech, speech
from hub.service.publisher import Publisher
from hub.wire.events import delta_frame, ephemeral_frame
from hub.wire.packets import Packet, own_channel

LEASE_MS: Final = 15_000
OFFER_MS: Final = 3_600_000


class Answers:
    """Use cases of bots that answer by themselves."""

    def __init__(
        self, store: Store, bus: Bus, publisher: Publisher, ids: IdMaker, now_ms: Clock,
        secret: bytes,
    ) -> None:  # fmt: skip
        self._store = store
        self._bus = bus
        self._publisher = publisher
        self._ids = ids
        self._now_ms = now_ms
        self._secret = secret

    async def speech_of(self, run: Run, text: str) -> Speech:
        """Whom a run's reply speaks to, as the room is now."""
        if not handles_in(text):  # an AI participant speaks to those it names
            return Speech()
        view = await self._store.rooms.view(run.tenant_id, run.room_id)
        if view is None or view.room.kind == "session":
            return Speech()
        return speech(view, run.participant_id, text, (), True, {}, self._ids.make)

    async def by_token(self, text: str, run_id: str, *, answered: bool = False) -> Run:
        """The run a token allows to answer, while its attempt is the newest; `answered` when it may
        have been, as for a retry."""
        token = read_token(self._secret, text, self._now_ms())
        if token is None or token.run_id != run_id:
            raise Unauthenticated("the run's token is wrong or has expired")
        run = await self._store.runs.get(token.tenant_id, token.run_id)
        if run is None:
            raise missing("run")
        who = await self._store.participants.get(run.tenant_id, run.participant_id)
        if who is None or who.disabled_ms is not None:
            raise Denied("the run's participant is out of use")
        if answered and run.state == "succeeded" and run.attempt == token.attempt:
            return run
        return self._current(run, token.attempt)

    async def offered(self, actor: Actor) -> list[Run]:
        """The runs that wait for a participant's own connection."""
        return await self._store.runs.offered(actor.tenant_id, actor.id)

    def offer_frame(self, run: Run) -> bytes:
        """What the participant's own connections are told of a run that waits for them."""
        now = self._now_ms()
        expires_ms = now + OFFER_MS
        token = make_token(self._secret, RunToken(run.tenant_id, run.id, run.attempt, expires_ms))
        return ephemeral_frame("run.offered", run.room_id, now, run.memory | {"token": token})

    async def offer(self, run: Run) -> None:
        """Tell them now; who connects later is told then."""
        channel = own_channel(run.tenant_id, run.participant_id)
        with contextlib.suppress(Unavailable):
            await self._bus.publish([(channel, Packet(0, 1, self.offer_frame(run)))])

    async def cancelled(self, run: Run) -> None:
        """End a run whose end was asked for, with what there is of its text."""
        draft = await self._draft(run)
        text = draft if draft.strip() else None
        reason = why_cancelled(run.cancelled_by or "")
        usage = {"prompt_tokens": 0, "completion_tokens": estimate_tokens(text or "")}
        reply = Reply("cancelled", text, self._now_ms(), "cancelled", reason,
                      usage=usage | {"estimated": True})  # fmt: skip
        await self._end(run, reply)

    async def _draft(self, run: Run) -> str:
        """What this attempt has written so far."""
        found = await self._bus.drafts(run.room_id, [run.id])
        return next((each.text for each in found if each.attempt == run.attempt), "")

    async def accept(self, actor: Actor, run_id: str, connection_id: str) -> Run:
        """Take an offered run; only one connection does."""
        run = await self._store.runs.take(
            actor.tenant_id, actor.id, run_id, connection_id, LEASE_MS
        )
        if run is None:
            raise missing("run")
        return run

    async def renew(self, runs: Sequence[Run]) -> Renewed:
        """Keep runs that were accepted; which were, and which were lost."""
        return await self._store.runs.renew_all([(r.id, r.attempt) for r in runs], LEASE_MS)

    async def release(self, run: Run) -> None:
        """Give up a run that was accepted, so that it is offered again at once."""
        with contextlib.suppress(Unavailable):  # its lease runs out by itself
            if await self._store.runs.renew(run.id, run.attempt, -1) is not None:
                self._publisher.put((), [run.id])

    async def delta(self, run: Run, offset: int, text: str) -> None:
        """Append to the draft. `offset` counts characters (code points) before `text`."""
        if fault := text_fault(text):
            raise invalid("text", fault)
        author = await self._may_answer(run)
        before = await self._draft(run)
        if offset != len(before):
            raise invalid("offset", f"must be {len(before)}: so much is there")
        if len((before + text).encode()) > CONTENT_BYTES:
            raise invalid("text", f"the reply must be at most {CONTENT_BYTES} bytes of UTF-8")
        draft = Draft(
            run.id, run.reply_message_id, run.thread_id, author.as_dict(), run.attempt,
            before + text,
        )  # fmt: skip
        frame = delta_frame(draft, run.room_id, offset, text, self._now_ms())
        if text and not await self._bus.append_draft(run.room_id, draft, text, frame):
            raise Conflict("a later attempt answers this run now", code="RUN_STATE")

    async def _may_answer(self, run: Run) -> Author:
        """Who was removed from the room since, or may not post there any more, says nothing."""
        view = await self._store.rooms.view(run.tenant_id, run.room_id)
        if view is None:
            raise missing("run")
        member = view.members.get(run.participant_id)
        if member is None or not permissions.may_post(member):
            raise Denied("the run's participant may not post in this room any more")
        if view.room.archived_ms is not None:
            raise Conflict("the room is archived; restore it first", code="ROOM_ARCHIVED")
        return member.author

    async def reply(self, run: Run, content: str) -> Run:
        """End a run with this answer; one that was ended with it stays as it is."""
        if run.state == "succeeded":
            return await self._again(run, content)
        if fault := content_fault(content):
            raise invalid("content", fault)
        await self._may_answer(run)
        said = await self.speech_of(run, content)
        usage = {"prompt_tokens": 0, "completion_tokens": estimate_tokens(content)}
        reply = Reply(
            "succeeded", content, self._now_ms(), finish_reason="stop",
            usage=usage | {"estimated": True}, mention=said.mention, calls=said.calls,
            summons=said.summons,
        )  # fmt: skip
        try:
            return await self._end(run, reply)
        except Conflict:  # perhaps for this same answer, which was still on its way
            return await self._again(run, content)

    async def _again(self, run: Run, content: str) -> Run:
        """The run as this answer has ended it; a Conflict when something else did."""
        found = await self._store.runs.get(run.tenant_id, run.id)
        if found is None or (found.state, found.attempt) != ("succeeded", run.attempt):
            raise _not_current()
        said = await self._store.messages.get(run.tenant_id, run.room_id, run.reply_message_id)
        if said is None or said.content != content:
            raise _not_current()
        return found

    async def silence(self, run: Run) -> Run:
        """End a run without a word."""
        return await self._end(run, Reply("silent", None, self._now_ms()))

    async def fail(self, run: Run, message: str) -> Run:
        """End a run as failed; the thread is told."""
        said = f"Sorry, I could not answer: {message}."
        error = {"code": "BACKEND_ERROR", "message": message}
        now = self._now_ms()
        return await self._end(run, Reply("failed", said, now, "failed", message, error=error))

    async def _end(self, run: Run, reply: Reply) -> Run:
        ended = await self._store.runs.finish(run.id, run.attempt, reply)
        if ended is None:
            raise _not_current()
        self._publisher.put(ended.entries, ended.woken, ended.cut)
        return ended.run

    def _current(self, run: Run, attempt: int) -> Run:
        if run.state not in OPEN or run.attempt != attempt:
            raise _not_current()
        return run


def _not_current() -> Conflict:
    return Conflict("the run was answered, cancelled or taken over", code="RUN_STATE")
