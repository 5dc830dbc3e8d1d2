"""`hub.cli.tape`: a terminal shows replies as they grow, and each message once."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from rich.live import Live

from hub.cli.tape import TerminalTape
from hub.client import Draft, Logged

BOT = {"type": "bot", "id": "bot_a", "handle": "a", "name": "Reviewer"}


def draft(text: str) -> dict[str, Draft]:
    return {"run_1": Draft("room_1", "run_1", "msg_1", "msg_0", BOT, 1, text)}


def logged(content: str) -> Logged:
    data: dict[str, Any] = {
        "id": "msg_1", "author": BOT, "content": content, "thread_id": "msg_0",
        "deleted_at": None, "status": "final",
    }  # fmt: skip
    return Logged("message.created", "room_1", 1, "2030-01-31T12:00:01.123Z", data)


def test_a_reply_grows_at_the_foot_and_scrolls_by_when_it_is_whole() -> None:
    out = io.StringIO()
    console = Console(file=out, width=60, height=10, force_terminal=True, color_system=None)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        tape = TerminalTape(live)
        tape.drafts(draft("one [bold] \x1b[31m"))
        assert "Reviewer one [bold] \ufffd[31m ▌" in out.getvalue()
        tape.drafts({})
        tape.logged(logged("one two"))
    final = out.getvalue().split("▌")[-1]
    assert 1 == final.count("2030-01-31 12:00:01    ↳ Reviewer: one two")


def test_of_a_long_reply_the_end_is_shown() -> None:
    out = io.StringIO()
    console = Console(file=out, width=60, height=10, force_terminal=True, color_system=None)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        TerminalTape(live).drafts(draft("\n".join(f"line {n}" for n in range(100))))
    assert "line 99" in out.getvalue()
    assert "line 90" not in out.getvalue()
