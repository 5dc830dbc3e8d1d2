"""How an attempt comes out: what is stored at its end, or while it waits."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hub.core.chat import Finish, Usage, estimate_tokens
from hub.core.errors import HubError
from hub.core.invoking import Ask, Ending, Escalate, Offer, Silence, Wait
from hub.core.models import priced
from hub.core.runs import why_cancelled
from hub.core.values import Json, Run
from hub.parts import Parts, now_ms
from hub.ports import Pause, Reply
from hub.service.calling import Speech
from workers.draft import Progress

WAITED: Final = {
    "person": "nobody answered the question in time",
    "answer": "the answer that was promised did not come in time",
    "socket": "it is not connected, or did not take the work in time",
}
REFUSALS: Final = frozenset({"content_filter", "refusal"})


async def outcome_of(parts: Parts, run: Run, progress: Progress, ending: Ending) -> Reply | Pause:
    """What a driver's ending means for the run."""
    if isinstance(ending, Ask):
        question = "\n\n".join(text for text in (progress.text, ending.question) if text)
        return Pause(
            "person", int(parts.settings.person_wait_s * 1000), now_ms(), "it has a question",
            run.memory | ending.memory, question, parts.ids.make("msg"),
        )  # fmt: skip
    if isinstance(ending, Wait | Offer):
        wait_ms = int(progress.deadline_s * 1000)
        if isinstance(ending, Offer):
            reason = "it waits for the bot's own connection"
            return Pause("socket", wait_ms, now_ms(), reason, ending.about)
        return Pause("answer", wait_ms, now_ms(), "the answer comes later", run.memory)
    if isinstance(ending, Escalate):
        reason = "escalated to people"
        reply = _reply(progress, "succeeded", ending.message, None, reason=reason)
        return replace(reply, escalation=ending.message)
    if isinstance(ending, Silence) or not progress.text:
        usage = ending.usage if isinstance(ending, Finish) else None
        return _reply(progress, "silent", None, usage)
    said = Speech()
    if ending.reason not in REFUSALS:
        said = await parts.answers.speech_of(run, progress.text)
    return _reply(
        progress, "succeeded", progress.text, ending.usage, finish_reason=ending.reason, said=said
    )


def failed(progress: Progress, error: HubError, *, told: bool = True) -> Reply:
    """A failed run says so in the thread: what was written stays, marked as failed. It is not
    `told` there by who may not speak there."""
    stop = "" if error.message.endswith((".", "?", "!", "…")) else "."
    said = f"Sorry, I could not answer: {error.message}{stop}"
    text = f"{progress.text}\n\n{said}" if progress.text else said
    return _reply(progress, "failed", text if told else None, None, status="failed",
                  reason=error.message,
                  error={"code": error.code, "message": error.message})  # fmt: skip


def cancelled(run: Run, progress: Progress, by: str) -> Reply:
    """What there is of the text is kept, marked as cancelled."""
    text = progress.text if progress.text.strip() else None
    return _reply(progress, "cancelled", text, None, status="cancelled",
                  reason=why_cancelled(by))  # fmt: skip


def _reply(
    progress: Progress,
    state: str,
    text: str | None,
    usage: Usage | None,
    *,
    status: str = "final",
    reason: str | None = None,
    finish_reason: str | None = None,
    error: Json | None = None,
    said: Speech | None = None,
) -> Reply:
    said = said or Speech()
    context = progress.invitation.context if progress.invitation else None
    if usage is None:
        prompt = context.tokens if context else 0
        usage = Usage(prompt, estimate_tokens(progress.text), estimated=True)
        usage = priced(usage, progress.invitation.price if progress.invitation else None)
    return Reply(
        state=state, text=text, at_ms=now_ms(), status=status, reason=reason,
        finish_reason=finish_reason, error=error,
        usage=usage.as_dict(), context=context.receipt() if context else None,
        first_delta_ms=progress.first_delta_ms,
        mention=said.mention, calls=said.calls, summons=said.summons,
    )  # fmt: skip
