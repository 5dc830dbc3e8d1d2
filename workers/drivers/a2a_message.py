"""What an agent is told: the trigger, what it has not seen of the thread, who and where. Pure."""

from __future__ import annotations

import uuid

from hub.core.invoking import Invocation
from hub.core.values import Json, Message

EARLIER_BYTES = 16_384


def context_id_of(invocation: Invocation) -> str:
    """The same for one participant in one thread (or session), so that the agent remembers the
    conversation; a UUID, which every agent takes."""
    run = invocation.run
    place = run.room_id if invocation.room.get("kind") == "session" else run.thread_id
    name = "\n".join(("roomhub", run.tenant_id, run.room_id, place, run.participant_id))
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def texts_of(invocation: Invocation, task_id: str) -> list[str]:
    """The text parts. A task that asked gets the answer alone; else the trigger, and before it
    what was said in the thread since the agent spoke last: the rest it remembers by its context."""
    answer = [invocation.answer.content] if invocation.answer is not None else []
    if task_id and answer:
        return answer
    earlier = _earlier(invocation)
    return [*([earlier] if earlier else []), invocation.message.content, *answer]


def message_of(invocation: Invocation, task_id: str, context_id: str, *, anew: bool) -> Json:
    """The message without its parts, in the names both protocols share. Its id is the same on
    every attempt, so that an agent can tell a repetition."""
    run, answer = invocation.run, invocation.answer
    spoken = answer if answer is not None and task_id else invocation.message
    message_id = answer.id if answer is not None and task_id else run.id
    if anew:
        message_id = f"{run.id}-{run.attempt}"
    about: Json = {
        "room": {name: invocation.room.get(name) for name in ("id", "name", "kind")},
        "thread_id": run.thread_id,
        "run_id": run.id,
        "message_id": spoken.id,
        "author": spoken.author.as_dict(),
        "participant": invocation.participant.as_dict(),
    }
    ids = {"contextId": context_id, "taskId": task_id}
    return {
        "messageId": message_id,
        **{name: value for name, value in ids.items() if value},
        "metadata": {"roomhub": about},
    }


def _earlier(invocation: Invocation) -> str:
    """The newest messages of the thread that fit, the agent's own last one excluded."""
    lines: list[str] = []
    room = EARLIER_BYTES
    before = [m for m in invocation.thread if m.seq < invocation.message.seq]
    for message in sorted(before, key=lambda m: m.seq, reverse=True):
        if message.author.id == invocation.participant.id and message.status == "final":
            break
        line = _line(message)
        room -= len(line.encode())
        if room < 0:
            break
        if line:
            lines.append(line)
    return "Earlier in this conversation:\n" + "\n".join(reversed(lines)) if lines else ""


def _line(message: Message) -> str:
    if message.deleted_ms is not None or message.status != "final":
        return ""
    return f"{message.author.name} ({message.author.type}): {message.content}"
