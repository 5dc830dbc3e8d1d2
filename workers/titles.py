"""A title for a session without one, after its first exchange: by its model, or from the text."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from hub.core.chat import (
    ChatMessage,
    ChatRequest,
    Finish,
    Sampling,
    TextDelta,
    Usage,
    estimate_tokens,
)
from hub.core.errors import HubError
from hub.core.models import priced
from hub.core.sessions import TITLE_CHARS, role_of, title_from
from hub.core.values import Message, Run, Session
from hub.models.base import ModelBackend, open_stream
from hub.parts import Parts

EXCHANGE: Final = 4
WITHIN_S: Final = 15.0
QUOTED_CHARS: Final = 1_000
ANSWER_CHARS: Final = 400
ASKED: Final = (
    "Give this conversation a title of two to six words, in its own language. "
    "Answer with the title alone, without quotation marks."
)
log = structlog.get_logger("workers.titles")


async def entitle(parts: Parts, run: Run) -> None:
    """Title the session of a run that has answered, once; what goes wrong is left for the next
    exchange."""
    if run.state != "succeeded" or not run.room_id.startswith("sess_"):
        return
    session = await parts.store.sessions.get(run.tenant_id, run.room_id)
    if session is None or session.title is not None:
        return
    first = await parts.store.messages.page(run.room_id, limit=EXCHANGE, after=0, deleted=False)
    said = [message for message in first if role_of(message, session) == "user"]
    if not said:
        return
    title = await _asked(parts, session, first) or title_from(said[0].content)
    await parts.sessions.entitle(session.tenant_id, session.id, title)


async def _asked(parts: Parts, session: Session, first: list[Message]) -> str | None:
    """What the session's model proposes, counted as a completion of its participant; None for a
    builtin one, and when it does not."""
    models = await parts.models.of(session.tenant_id)
    entry = models.get(session.model)
    if entry is None or entry.upstream is None:
        return None
    quoted = "\n".join(
        f"{role_of(message, session)}: {message.content[:QUOTED_CHARS]}" for message in first
    )
    turns = (ChatMessage("system", ASKED), ChatMessage("user", quoted))
    request = ChatRequest(session.model, turns, Sampling(max_tokens=32))
    began = time.monotonic()
    try:
        async with asyncio.timeout(WITHIN_S):
            text, usage = await _answer(models.backend(request.model), request)
    except (HubError, TimeoutError) as error:
        log.info("no title from the model", session=session.id, reason=str(error))
        return None
    parts.usage.count_own(
        session.tenant_id, session.participant_id, session.model, priced(usage, entry.price),
        int((time.monotonic() - began) * 1000),
    )  # fmt: skip
    return _clean(text)


async def _answer(backend: ModelBackend, request: ChatRequest) -> tuple[str, Usage]:
    """The text and what it used; estimated where the server does not say, or is cut short."""
    text, usage = "", None
    async with open_stream(backend, request) as answer:
        async for part in answer:
            if isinstance(part, TextDelta):
                text += part.text
            elif isinstance(part, Finish):
                usage = part.usage
            if len(text) > ANSWER_CHARS:
                break
    estimated = Usage(request.prompt_tokens(), estimate_tokens(text), estimated=True)
    return text, usage or estimated


def _clean(answer: str) -> str | None:
    """The first line of an answer as a title; None when there is nothing in it."""
    line = answer.strip().split("\n")[0].strip(" \"'“”‘’*#.")
    return title_from(line[: TITLE_CHARS * 2]) if line else None
