"""Commands that wait for their answer: what must be sent, and sent again after a cut."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from hub.client.errors import Unreachable, hub_error
from hub.core.errors import HubError, TooLarge
from hub.core.values import Json

FRAME_BYTES: Final = 65_536


@dataclass(slots=True)
class Asked:
    """One command. `repeat` says that it may be sent again on the next connection; `answer` is
    None when nobody waits for it."""

    id: int
    body: Json
    frame: bytes
    repeat: bool
    answer: asyncio.Future[Json] | None = field(default=None)

    def resolve(self, data: Json) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(data)

    def fail(self, error: HubError) -> None:
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error)


class Requests:
    """The commands of one client, in the order they were given."""

    def __init__(self) -> None:
        self.frame_bytes = FRAME_BYTES
        self._open: dict[int, Asked] = {}
        self._unsent: deque[Asked] = deque()
        self._last_id = 0

    def ask(self, body: Json, *, repeat: bool, answer: asyncio.Future[Json] | None = None) -> Asked:
        """Take a command; TooLarge when no hub would take its frame."""
        self._last_id += 1
        frame = orjson.dumps({"id": self._last_id, **body})
        if len(frame) > self.frame_bytes:
            raise TooLarge(f"a command is at most {self.frame_bytes} bytes, was {len(frame)}")
        asked = Asked(self._last_id, body, frame, repeat, answer)
        self._open[asked.id] = asked
        self._unsent.append(asked)
        return asked

    def next_unsent(self) -> Asked | None:
        """The next command to send; those nobody waits for any more are left out."""
        while self._unsent:
            asked = self._unsent.popleft()
            if asked.id in self._open:
                return asked
        return None

    def answered(self, reply: Json) -> tuple[Asked, HubError | None] | None:
        """The command a reply belongs to and how it was refused, if it was; None when nobody
        waits for it. The caller resolves it."""
        asked = self._open.pop(_number(reply.get("id")), None)
        if asked is None:
            return None
        return asked, None if reply["ok"] else hub_error(reply["error"])

    def forget(self, asked: Asked) -> None:
        """Nobody waits for this answer any more."""
        self._open.pop(asked.id, None)

    def cut(self) -> None:
        """The connection is gone: what may be repeated is unsent again, the rest fails."""
        lost = [asked for asked in self._open.values() if not asked.repeat]
        for asked in lost:
            del self._open[asked.id]
            asked.fail(Unreachable("the connection was cut before the answer came"))
        self._unsent = deque(self._open.values())

    def end(self, error: HubError) -> None:
        """There will be no other connection: everything fails."""
        for asked in self._open.values():
            asked.fail(error)
        self._open.clear()
        self._unsent.clear()


def _number(command_id: Any) -> int:
    return command_id if isinstance(command_id, int) else -1
