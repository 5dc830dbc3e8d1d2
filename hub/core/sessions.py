"""Sessions as people see them: messages by role, a title from what was said, an export. Pure."""

from __future__ import annotations

import re
from typing import Final

from hub.core.times import rfc3339
from hub.core.values import Json, Message, Session

TITLE_CHARS: Final = 60
_ROLES: Final = {"user": "User", "assistant": "Assistant", "human_agent": "Human agent"}
_MARKUP: Final = re.compile(r"[`*_#>\s]+")


def role_of(message: Message, session: Session) -> str:
    """`assistant` for the session's model, `user` for its owner, `human_agent` for who helps."""
    if message.author.id == session.participant_id:
        return "assistant"
    return "user" if message.author.id == session.owner else "human_agent"


def session_message(message: Message, session: Session) -> Json:
    """A message as a session shows it: by role rather than by author."""
    role = role_of(message, session)
    body: Json = {
        "id": message.id,
        "seq": message.seq,
        "role": role,
        "content": "" if message.deleted_ms else message.content,
        "created_at": rfc3339(message.created_ms),
        "status": message.status,
    }
    if message.edited_ms is not None:
        body["edited_at"] = rfc3339(message.edited_ms)
    if role == "human_agent":
        body["author"] = message.author.as_dict()
    if (reason := finish_reason(message)) is not None:
        body["finish_reason"] = reason
    if message.usage is not None:
        body["usage"] = message.usage
    return body


def finish_reason(message: Message) -> str | None:
    """Why a reply ended; None for what is no reply, or has failed."""
    return "cancelled" if message.status == "cancelled" else message.finish_reason


def title_from(text: str) -> str:
    """A title made of the first words of a text, without markup, at most `TITLE_CHARS`."""
    words = _MARKUP.sub(" ", text).strip()
    if len(words) <= TITLE_CHARS:
        return words or "Untitled"
    head = words[: TITLE_CHARS - 1]
    return (head.rsplit(" ", 1)[0] if " " in head[20:] else head).rstrip(" ,.;:-") + "…"


def markdown_head(session: Session) -> str:
    """What an export begins with; `markdown_message` of each message follows it."""
    lines = [f"# {session.title or 'Session'}", ""]
    lines += [f"- Session: {session.id}", f"- Model: {session.model}"]
    lines += [f"- Created: {rfc3339(session.created_ms)}", f"- Status: {session.status}", ""]
    if session.system_prompt:
        lines += ["## System prompt", "", session.system_prompt, ""]
    return "\n".join(lines)


def markdown_message(message: Message, session: Session) -> str:
    """A message in an export; what people wrote is left as it is."""
    return f"\n## {_heading(message, session)}\n\n{message.content}\n"


def _heading(message: Message, session: Session) -> str:
    role = role_of(message, session)
    who = f"{_ROLES[role]} {message.author.name}" if role == "human_agent" else _ROLES[role]
    state = "" if message.status == "final" else f", {message.status}"
    return f"{who} ({rfc3339(message.created_ms)}{state})"
