"""The text of an attempt as it comes: read from the driver, shown in steps, never per token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import structlog

from hub.core.chat import Finish, TextDelta
from hub.core.errors import Backend, Unavailable
from hub.core.invoking import Ending, Part, Remember, Status
from hub.core.text import CONTENT_BYTES, text_fault
from hub.core.values import Draft, Json, Run
from hub.parts import Parts, now_ms
from hub.wire.events import delta_frame, ephemeral_frame
from hub.wire.packets import Packet
from workers.figures import WorkCounts
from workers.inviting import Invitation
from workers.lease import Lost
from workers.patience import patiently

log = structlog.get_logger("workers.draft")


@dataclass(slots=True)
class Progress:
    """What an attempt has so far. `flushed` counts the characters that people were sent, `share` is
    how much of the model's window is used."""

    text: str = ""
    size: int = 0
    flushed: int = 0
    tries: int = 0
    share: float = 1.0
    deadline_s: float = 0.0
    seen: bool = False
    first_delta_ms: int | None = None
    invitation: Invitation | None = None
    fresh: asyncio.Event = field(default_factory=asyncio.Event)


class Scribe:
    """Writes the draft of one run; `run` is the attempt it writes for."""

    def __init__(self, parts: Parts, run: Run, progress: Progress, counts: WorkCounts) -> None:
        self.run = run
        self._parts = parts
        self._progress = progress
        self._counts = counts
        self._flushing = asyncio.Lock()

    def begin(self, invitation: Invitation) -> None:
        """A driver is about to be invoked."""
        self._progress.invitation = invitation
        self._progress.deadline_s = invitation.invocation.deadline_s
        self._progress.tries += 1

    async def begin_again(self) -> None:
        """What was seen is void: the next attempt writes from the beginning."""
        lease_ms, store, old = int(self._parts.settings.lease_s * 1000), self._parts.store, self.run
        async with self._flushing:
            run = await patiently(lambda: store.runs.advance(old.id, old.attempt, lease_ms))
            if run is None:
                raise Lost
            self.run = run
            self._counts.claimed(run)
            self._clear()

    def _clear(self) -> None:
        progress = self._progress
        progress.text, progress.size, progress.flushed, progress.seen = "", 0, 0, False

    async def recall(self) -> None:
        """Take up what an earlier attempt, or the bot itself, has shown of the text."""
        try:
            found = await self._parts.bus.drafts(self.run.room_id, [self.run.id])
        except Unavailable:
            return
        for draft in found:
            self._progress.text = draft.text

    async def read(self, parts: AsyncIterator[Part]) -> Ending:
        """Take what the driver yields, up to its ending."""
        if not self._progress.seen:
            self._clear()  # a try that failed unseen leaves nothing
        async for part in parts:
            if isinstance(part, TextDelta):
                if self._take(part.text):
                    return Finish("length")
            elif isinstance(part, Status):
                self.status(part.text)
            elif isinstance(part, Remember):
                await self._remember(part.memory)
            else:
                return part
        raise Backend("the reply broke off before its end", transient=True)

    async def _remember(self, memory: Json) -> None:
        run, store = self.run, self._parts.store.runs
        if not await patiently(lambda: store.remember(run.id, run.attempt, memory)):
            raise Lost
        self.run = replace(run, memory=memory)

    def _take(self, text: str) -> bool:
        """Add to the reply; True when it has become as long as a message may be."""
        if fault := text_fault(text):
            raise Backend(f"the reply is no text: it {fault}")
        progress = self._progress
        room = CONTENT_BYTES - progress.size
        data = text.encode()
        if len(data) > room:
            text = data[:room].decode(errors="ignore")
        progress.text += text
        progress.size += min(len(data), room)
        progress.fresh.set()
        return len(data) > room

    def status(self, text: str) -> None:
        """Let people see what it is doing; nobody waits for it, and nothing is lost when they do
        not."""
        about: Json = {"run_id": self.run.id, "text": text}
        if self._progress.invitation is not None:
            about |= {"participant": self._progress.invitation.invocation.participant.as_dict()}
        frame = ephemeral_frame("run.status", self.run.room_id, now_ms(), about)
        self._parts.publisher.tell([(self.run.room_id, Packet(0, 1, frame))])

    async def flush_often(self) -> None:
        """The first piece at once, then what has gathered every `delta_flush_s`."""
        while True:
            await self._progress.fresh.wait()
            await self.flush()
            await asyncio.sleep(self._parts.settings.delta_flush_s)

    async def flush(self) -> None:
        """Append what is new to the draft and publish it; one at a time, so in order."""
        async with self._flushing:
            progress, run = self._progress, self.run
            progress.fresh.clear()
            fresh = progress.text[progress.flushed :]
            if not fresh or progress.invitation is None:
                return
            progress.first_delta_ms = progress.first_delta_ms or now_ms()
            if progress.invitation.whole:
                return
            draft = Draft(
                run.id, run.reply_message_id, run.thread_id,
                progress.invitation.invocation.participant.as_dict(), run.attempt, progress.text,
            )  # fmt: skip
            frame = delta_frame(draft, run.room_id, progress.flushed, fresh, now_ms())
            progress.flushed, progress.seen = len(draft.text), True
            try:
                mine = await self._parts.bus.append_draft(run.room_id, draft, fresh, frame)
            except Unavailable:  # the stored message will bring the text
                self._counts.dropped += 1
                return
            if not mine:
                raise Lost
            self._counts.flushed += 1
