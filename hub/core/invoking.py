"""What an AI participant is given when it is invoked, and what may come back, whatever drives it.

A reply is text in pieces, then one way to end: `Finish` with what was written, `Silence` for a
deliberate nothing, `Escalate` to people, or a pause: `Ask` a person of the thread, `Wait` for an
answer that comes later by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.core.chat import ChatRequest, Finish, TextDelta
from hub.core.values import Author, Json, Message, Run


@dataclass(frozen=True, slots=True)
class Invocation:
    """One attempt at a run, as a driver sees it.

    `driver` is the participant's settings, `secrets` what requests to it are signed with, newest
    first. `room` and `thread` are what the participant may know; `chat` is the same made ready for
    a language model. `token` allows an answer from outside at `reply_url`, for `deadline_s` from
    now. `run.memory` is what an earlier attempt said to `Remember`, and `answer` the message of a
    person that a question waited for.
    """

    run: Run
    participant: Author
    driver: Json
    room: Json
    message: Message
    thread: tuple[Message, ...]
    chat: ChatRequest
    deadline_s: float
    reply_url: str = ""
    token: str = ""
    secrets: tuple[str, ...] = ()
    answer: Message | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What it is doing, in a few words for the people who wait; never part of the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class Remember:
    """What the next attempt must know, such as the id of a task elsewhere; stored at once."""

    memory: Json


@dataclass(frozen=True, slots=True)
class Silence:
    """It has nothing to say."""


@dataclass(frozen=True, slots=True)
class Escalate:
    """A person should answer; `message` is what it says about that."""

    message: str


@dataclass(frozen=True, slots=True)
class Ask:
    """It needs a person: the question goes into the thread, the next human reply there resumes
    the run with `Invocation.answer`."""

    question: str
    memory: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """It was taken and will be answered later, by `reply_url` and `token`."""


@dataclass(frozen=True, slots=True)
class Offer:
    """It is to be taken by the participant's own connection: `about` is what that is told."""

    about: Json


Ending = Finish | Silence | Escalate | Ask | Wait | Offer
Part = TextDelta | Status | Remember | Ending
