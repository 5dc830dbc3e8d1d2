"""The `socket` driver: the bot dials in with its own key and is offered its runs there."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator

from hub.core.invoking import Invocation, Offer, Part


class SocketDriver:
    """`Driver` of bots without an address: what is to be done is laid out for their connection."""

    @contextlib.asynccontextmanager
    async def invoke(self, invocation: Invocation) -> AsyncIterator[AsyncIterator[Part]]:
        yield _offered(invocation)

    async def abandon(self, invocation: Invocation) -> None:
        """The bot learns it from the room, and its answer is refused."""


async def _offered(invocation: Invocation) -> AsyncGenerator[Part, None]:
    yield Offer(
        {
            "run": invocation.run.as_dict(),
            "room": invocation.room,
            "message": invocation.message.as_dict(),
            "thread": [message.as_dict() for message in invocation.thread],
            "context": [{"role": t.role, "content": t.content} for t in invocation.chat.messages],
            "participant": invocation.participant.as_dict(),
        }
    )
