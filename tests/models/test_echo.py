"""hub/models/echo.py."""

from __future__ import annotations

from hub.core.chat import ChatMessage, ChatRequest
from hub.models.echo import EchoBackend

from .asking import reply_of


async def test_it_repeats_the_last_user_turn() -> None:
    turns = (
        ChatMessage("system", "be kind"),
        ChatMessage("user", "first"),
        ChatMessage("user", "second one"),
        ChatMessage("assistant", "mine"),
    )
    assert (await reply_of(EchoBackend(), ChatRequest("m", turns))).text == "second one"


async def test_without_a_user_turn_it_says_nothing() -> None:
    assert (await reply_of(EchoBackend(), ChatRequest("m", ()))).deltas == ()
