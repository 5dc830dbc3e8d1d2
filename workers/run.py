"""One attempt at one run: build the context, invoke the driver, stream, end.

The lease is renewed while it works. Whoever finds that the run is no longer its own stops at once
and writes nothing more; the end of the run and its message are one transaction.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog

from hub.bus.client import end
from hub.core.chat import Finish, TextDelta, Usage, estimate_tokens
from hub.core.errors import Backend, BackendTimeout, HubError, Unavailable
from hub.core.values import Author, Json, Run
from hub.parts import Parts, now_ms
from hub.ports import Draft, Ended, Reply
from hub.wire.events import ephemeral_frame
from workers.context import Context, room_context, session_context
from workers.drivers.base import Driver

HISTORY: Final = 400
STORE_PATIENCE_S: Final = 60.0
log = structlog.get_logger("workers.run")


class Lost(Exception):
    """This attempt no longer holds the run."""


@dataclass(slots=True)
class _Progress:
    """What an attempt has so far."""

    text: str = ""
    flushed: int = 0
    first_delta_ms: int | None = None
    finish: Finish | None = None
    context: Context | None = None
    fresh: asyncio.Event = field(default_factory=asyncio.Event)


class Attempt:
    """Works a claimed run to its end."""

    def __init__(self, parts: Parts, driver: Driver, run: Run) -> None:
        self._parts = parts
        self._driver = driver
        self._run = run
        self._progress = _Progress()
        self._author = Author(run.participant_id, "persona", "", "")
        self._flushing = asyncio.Lock()

    async def work(self) -> Ended | None:
        """Returns how the run ended, None when another attempt took it over."""
        ended: Ended | None = None
        try:
            async with asyncio.TaskGroup() as group:
                lease = group.create_task(self._keep_lease())
                flushing = group.create_task(self._flush_often())
                reply = await self._reply()
                await end(flushing)
                ended = await self._finish(reply)
                await end(lease)
        except* Lost:
            log.info("run lost to another attempt", run=self._run.id, attempt=self._run.attempt)
        return ended

    async def _keep_lease(self) -> None:
        settings = self._parts.settings
        lease_ms = int(settings.lease_s * 1000)
        held_until = asyncio.get_running_loop().time() + settings.lease_s
        while True:
            await asyncio.sleep(settings.lease_renew_s)
            now = asyncio.get_running_loop().time()
            try:
                kept = await self._parts.store.runs.renew(self._run.id, self._run.attempt, lease_ms)
            except Unavailable:
                if now > held_until:
                    raise Lost from None
                continue
            if not kept:
                raise Lost
            held_until = now + settings.lease_s

    async def _reply(self) -> Reply:
        """Everything up to the end that is to be stored; a failure is a reply too."""
        try:
            async with asyncio.timeout(self._parts.settings.run_deadline_s):
                await self._invoke()
        except TimeoutError:
            seconds = self._parts.settings.run_deadline_s
            return self._failure(BackendTimeout(f"no complete reply within {seconds:g} s"))
        except HubError as error:
            return self._failure(error)
        except Lost:
            raise
        except Exception:
            log.exception("a driver failed", run=self._run.id)
            return self._failure(Backend("the participant's driver failed"))
        return self._success()

    async def _invoke(self) -> None:
        driver, self._author = await self._participant()
        self._progress.context = await self._context(driver, self._author)
        await self._read_parts(self._progress.context)
        await self._flush()

    async def _read_parts(self, context: Context) -> None:
        progress = self._progress
        async with self._driver.invoke(context.request) as parts:
            async for part in parts:
                if isinstance(part, TextDelta):
                    progress.text += part.text
                    progress.fresh.set()
                else:
                    progress.finish = part
        if progress.finish is None:
            raise Backend("the reply broke off before its end", transient=True)

    # What the driver is given.

    async def _participant(self) -> tuple[Json, Author]:
        run = self._run
        found = await self._parts.store.participants.get(run.tenant_id, run.participant_id)
        if found is None or found.driver is None or found.disabled_ms is not None:
            raise Backend("the participant has no driver any more")
        return found.driver, found.author()

    async def _context(self, driver: Json, author: Author) -> Context:
        run, store = self._run, self._parts.store
        if run.room_id.startswith("sess_"):
            session = await store.sessions.get(run.tenant_id, run.room_id)
            if session is None:
                raise Backend("the session was deleted")
            trigger = await store.messages.get(run.tenant_id, run.room_id, run.trigger_message_id)
            assert trigger is not None
            history = await store.messages.page(run.room_id, limit=HISTORY)
            return session_context(run, session, author, history, self._budget(session.model))
        view = await store.rooms.view(run.tenant_id, run.room_id)
        if view is None:
            raise Backend("the room is gone")
        thread = await store.messages.thread(run.room_id, run.thread_id, 0, HISTORY)
        return room_context(run, driver, author, view, thread, self._budget(driver["model"]))

    def _budget(self, slug: str) -> int:
        """Tokens of context: the window less what the reply may take."""
        entry = self._parts.models.get(slug)
        if entry is None:
            raise Backend(f"there is no model {slug} any more", code="MODEL_NOT_FOUND")
        return max(256, entry.context_window - entry.max_output_tokens)

    # The draft, in steps.

    async def _flush_often(self) -> None:
        """The first piece at once, then what has gathered every `delta_flush_s`."""
        while True:
            await self._progress.fresh.wait()
            await self._flush()
            await asyncio.sleep(self._parts.settings.delta_flush_s)

    async def _flush(self) -> None:
        """Append what is new to the draft and publish it; one at a time, so in order."""
        async with self._flushing:
            progress, run = self._progress, self._run
            progress.fresh.clear()
            draft = Draft(
                run.id, run.reply_message_id, run.thread_id, self._author.as_dict(), run.attempt,
                progress.text,
            )  # fmt: skip
            fresh = draft.text[progress.flushed :]
            if not fresh:
                return
            progress.first_delta_ms = progress.first_delta_ms or now_ms()
            delta = draft.as_dict() | {"offset": progress.flushed, "text": fresh}
            frame = ephemeral_frame("message.delta", run.room_id, now_ms(), delta)
            progress.flushed = len(draft.text)
            try:
                mine = await self._parts.bus.append_draft(run.room_id, draft, fresh, frame)
            except Unavailable:  # the stored message will bring the text
                return
            if not mine:
                raise Lost

    # The end.

    def _success(self) -> Reply:
        progress = self._progress
        assert progress.finish is not None
        usage = progress.finish.usage
        return self._end("succeeded" if progress.text else "silent", progress.text or None, usage,
                         finish_reason=progress.finish.reason)  # fmt: skip

    def _failure(self, error: HubError) -> Reply:
        """A failed run says so in the thread: what was written stays, marked as failed."""
        said = f"Sorry, I could not answer: {error.message}."
        text = f"{self._progress.text}\n\n{said}" if self._progress.text else said
        prompt = self._progress.context.tokens if self._progress.context else 0
        usage = Usage(prompt, estimate_tokens(self._progress.text), estimated=True)
        return self._end("failed", text, usage, status="failed", reason=error.message,
                         error={"code": error.code, "message": error.message})  # fmt: skip

    def _end(
        self,
        state: str,
        text: str | None,
        usage: Usage,
        *,
        status: str = "final",
        reason: str | None = None,
        finish_reason: str | None = None,
        error: Json | None = None,
    ) -> Reply:
        context = self._progress.context
        return Reply(
            state=state, text=text, at_ms=now_ms(), status=status, reason=reason,
            finish_reason=finish_reason, error=error,
            usage={"prompt_tokens": usage.prompt_tokens,
                   "completion_tokens": usage.completion_tokens, "estimated": usage.estimated},
            context=context.receipt() if context else None,
            first_delta_ms=self._progress.first_delta_ms,
        )  # fmt: skip

    async def _finish(self, reply: Reply) -> Ended | None:
        """Store the end, patiently: the database may be away for a moment."""
        give_up = asyncio.get_running_loop().time() + STORE_PATIENCE_S
        while True:
            try:
                ended = await self._parts.store.runs.finish(self._run.id, self._run.attempt, reply)
                break
            except Unavailable:
                if asyncio.get_running_loop().time() > give_up:
                    raise Lost from None
                await asyncio.sleep(0.2)
        if ended is None:
            raise Lost
        self._parts.publisher.put(ended.entries, ended.wake)
        return ended
