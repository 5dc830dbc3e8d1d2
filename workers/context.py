"""What a model is given: pinned instructions, then as much of the conversation as fits.

Pure. Other speakers are user turns headed by their name and kind, the participant's own messages
assistant turns. In a room that is the thread; in a session the messages up to the trigger, each
reply right after what it answers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hub.core.chat import ChatMessage, ChatRequest, Sampling, estimate_tokens
from hub.core.values import Author, Json, Message, RoomView, Run, Session

_TURN_TOKENS = 4
Turns = Sequence[tuple[Message, ChatMessage]]


@dataclass(frozen=True, slots=True)
class Context:
    """The request, and the receipt: which messages went in, about how many tokens, how many more
    the conversation has that were dropped for want of room."""

    request: ChatRequest
    message_ids: tuple[str, ...]
    tokens: int
    dropped: int = 0

    def receipt(self) -> Json:
        ids = list(self.message_ids)
        return {"message_ids": ids, "tokens": self.tokens, "dropped": self.dropped}


def room_context(
    run: Run, driver: Json, author: Author, view: RoomView, thread: Sequence[Message], budget: int
) -> Context:
    """For a member of a room: character, room and members pinned, then the thread's newest."""
    members = ", ".join(
        f"{m.author.name} (@{m.author.handle}, {m.author.type})"
        for m in list(view.members.values())[:50]
    )
    brief = [driver.get("system_prompt"), f"You are {author.name} (@{author.handle})."]
    brief.append(f'You are in the room "{view.room.name}". {view.room.description}'.strip())
    brief.append(f"Members: {members}. Answer the last message.")
    system = "\n".join(line for line in brief if line)
    turns = [(m, _turn(m, author)) for m in thread if _counts(m)]
    unread = max(0, thread[0].reply_count + 1 - len(thread)) if thread else 0
    sampling = _sampling(driver | run.params)
    return _fit(driver.get("model", ""), system, turns, sampling, budget, root=1, unread=unread)


def session_context(
    run: Run,
    session: Session,
    driver: Json,
    author: Author,
    history: Sequence[Message],
    budget: int,
) -> Context:
    """For a session's model: its system prompt pinned, then the history up to the trigger."""
    trigger = next(m.seq for m in history if m.id == run.trigger_message_id)
    asked = [m for m in history if _counts(m) and m.author.id != author.id and m.seq <= trigger]
    answers = _answers(history, author)
    turns: list[tuple[Message, ChatMessage]] = []
    for message in asked:
        turns.append((message, _said(message, session)))
        if (answer := answers.get(message.id)) and message.id != run.trigger_message_id:
            turns.append((answer, ChatMessage("assistant", answer.content)))
    prompt = session.system_prompt or driver.get("system_prompt")
    system = "\n\n".join(part for part in (prompt, _handover(session)) if part)
    slug, sampling = driver.get("model", session.model), _sampling(driver | run.params)
    unread = max(0, session.message_count - len(history))
    return _fit(slug, system, turns, sampling, budget, unread=unread)


def _answers(history: Sequence[Message], author: Author) -> dict[str, Message]:
    """The stored replies by the message they answer."""
    return {
        message.root_message_id: message
        for message in history
        if message.author.id == author.id
        and message.root_message_id
        and _counts(message, ("final", "cancelled"))
    }


def _said(message: Message, session: Session) -> ChatMessage:
    """The user's turn, or that of a person who answered in the model's place."""
    if message.author.id == session.owner:
        return ChatMessage("user", message.content)
    return ChatMessage("assistant", f"({message.author.name}, a person:) {message.content}")


def _handover(session: Session) -> str | None:
    """What a model that has a session back is told about that."""
    over = session.handover
    if over is None or over.get("until_seq") is None:
        return None
    name = over["by"]["name"]
    told = (
        f"{name}, a person of the team, took this conversation over and answered in your place; "
        f"such answers begin with the name in brackets. Now {name} has handed it back: go on "
        "yourself, and keep to what was promised."
    )
    return f"{told} {name} says: {over['note']}" if over.get("note") else told


def _counts(message: Message, statuses: Collection[str] = ("final",)) -> bool:
    """Deleted and failed messages are left out; what was stopped too, but in its own session."""
    return message.deleted_ms is None and message.status in statuses and bool(message.content)


def _turn(message: Message, author: Author) -> ChatMessage:
    if message.author.id == author.id:
        return ChatMessage("assistant", message.content)
    speaker = message.author
    return ChatMessage("user", f"{speaker.name} ({speaker.type}): {message.content}")


def _fit(
    model: str,
    system: str | None,
    turns: Turns,
    sampling: Sampling,
    budget: int,
    *,
    root: int = 0,
    unread: int = 0,
) -> Context:
    """The newest turns that fit into `budget` tokens beside the instructions; always the last, and
    the first `root` before those in the middle. `unread` are older than all of them."""
    pinned = [ChatMessage("system", system)] if system else []
    used = sum(_cost(message) for message in pinned)
    first, rest = turns[:root], turns[root:]
    if first and rest and used + sum(_cost(turn) for _, turn in (*first, rest[-1])) > budget:
        first = ()
    used += sum(_cost(turn) for _, turn in first)
    kept = _newest(rest, budget - used, headed=bool(first))
    chosen = [*first, *kept]
    request = ChatRequest(model, (*pinned, *(turn for _, turn in chosen)), sampling)
    used += sum(_cost(turn) for _, turn in kept)
    dropped = unread + len(turns) - len(chosen)
    return Context(request, tuple(message.id for message, _ in chosen), used, dropped)


def _newest(turns: Turns, budget: int, *, headed: bool) -> Turns:
    """As many of the last turns as fit. What has lost its head never begins with an answer: the
    templates of many models refuse that."""
    start = len(turns)
    while start and (start == len(turns) or _cost(turns[start - 1][1]) <= budget):
        start -= 1
        budget -= _cost(turns[start][1])
    while not headed and 0 < start < len(turns) - 1 and turns[start][1].role == "assistant":
        start += 1
    return turns[start:]


def _cost(message: ChatMessage) -> int:
    return estimate_tokens(message.content) + _TURN_TOKENS


def _sampling(chosen: Json) -> Sampling:
    return Sampling(
        max_tokens=chosen.get("max_tokens"),
        temperature=chosen.get("temperature"),
        top_p=chosen.get("top_p"),
        stop=tuple(chosen.get("stop") or ()),
    )
