"""Entries of a room's log in words, each in as many lines as its text has. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hub.cli.show import printable, printable_lines
from hub.core.values import Json

_INDENT: Final = " " * 21


@dataclass(frozen=True, slots=True)
class Line:
    """Who said what, and when; replies stand behind a mark. `about` is what happened otherwise."""

    at: str
    who: str = ""
    kind: str = "user"
    text: str = ""
    in_thread: bool = False
    about: str = ""

    @property
    def lead(self) -> str:
        """The time, to the second in UTC, and the mark of a reply or of what is no message."""
        mark = "· " if self.about else "  ↳ " if self.in_thread else ""
        return f"{self.at[:19].replace('T', ' ')}  {mark}"

    @property
    def body(self) -> str:
        """What follows the lead and the name; further lines are indented."""
        if self.about:
            return self.about
        hang = "\n" + _INDENT + ("  ↳ " if self.in_thread else "")
        return hang.join(printable_lines(self.text))

    def __str__(self) -> str:
        said = f"{self.who}: " if self.who else ""
        return f"{self.lead}{said}{self.body}"


def line_of(kind: str, at: str, data: Json) -> Line | None:
    """The words for an entry of the log; None for one that the next one tells better."""
    if kind == "message.created":
        return said(at, data)
    words = _WORDS.get(kind)
    about = printable(kind) if words is None else words(data)
    return Line(at, about=about) if about else None


def said(at: str, message: Json) -> Line:
    """The words for a message."""
    author, text = message["author"], message["content"]
    if message["deleted_at"]:
        text = "(deleted)"
    elif message["status"] != "final":
        text = f"{text} [{message['status']}]"
    in_thread = message["thread_id"] is not None
    return Line(at, printable(author["name"]), author["type"], text, in_thread)


def _author(message: Json) -> str:
    return printable(message["author"]["name"])


def _edited(message: Json) -> str:
    return f"{_author(message)} edited: {' '.join(printable_lines(message['content']))}"


def _asked(run: Json) -> str:
    return f"{run['participant']['id']} was asked"


def _waits(run: Json) -> str:
    return f"{run['participant']['id']} waits{_because(run)}"


def _ended(run: Json) -> str:
    """A reply that came has been shown."""
    who = run["participant"]["id"]
    if run["state"] == "succeeded":
        return ""
    if run["state"] == "silent":
        return f"{who} chose to be silent{_because(run)}"
    return f"{who} did not answer: {run['state']}{_because(run)}"


def _because(run: Json) -> str:
    reason = run["reason"] or (run["error"] or {}).get("message")
    return f" ({printable(str(reason))})" if reason else ""


def _reacted(reaction: Json) -> str:
    return f"{reaction['participant']['id']} reacted with {printable(reaction['emoji'])}"


def _took_back(reaction: Json) -> str:
    return f"{reaction['participant']['id']} took back {printable(reaction['emoji'])}"


_WORDS: Final[Mapping[str, Callable[[Json], str]]] = {
    "message.updated": _edited,
    "message.deleted": lambda message: f"a message of {_author(message)} was deleted",
    "reaction.added": _reacted,
    "reaction.removed": _took_back,
    "member.joined": lambda member: f"{printable(member['name'])} joined as {member['role']}",
    "member.updated": lambda member: (
        f"{printable(member['name'])} is {member['role']} now, engagement {member['engagement']}"
    ),
    "member.left": lambda member: f"{member['id']} left",
    "room.updated": lambda room: f"the room was changed: {printable(room['name'])}",
    "room.archived": lambda room: "the room was archived",
    "run.queued": _asked,
    "run.waiting": _waits,
    "run.finished": _ended,
}
