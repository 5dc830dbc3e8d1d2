"""What the demo shows, in a pipe and in a terminal."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from hub.cli.screens import open_screens
from hub.client import Draft, DraftGrew

BOT = {"type": "bot", "id": "bot_a", "handle": "a", "name": "Reviewer"}


def message(content: str, *, thread_id: str | None = None) -> dict[str, Any]:
    return {"id": "msg_1", "author": BOT, "thread_id": thread_id, "content": content}


def grew(text: str, fresh: str) -> DraftGrew:
    draft = Draft("room_1", "run_1", "msg_1", "msg_0", BOT, 1, text)
    return DraftGrew(draft, len(text) - len(fresh), fresh)


def pipe() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=80), out


def test_a_line_comes_when_both_have_seen_it_with_both_times() -> None:
    console, out = pipe()
    with open_screens(console, ("Alice", "Bob")) as screens:
        screens.said("Alice", 4, message("hello [bold]"))
        assert "hello" not in out.getvalue()
        screens.said("Bob", 6, message("hello [bold]"))
        last = out.getvalue().splitlines()[-1]
    assert "    4 ms       6 ms   Reviewer: hello [bold]" == last


def test_what_only_one_has_seen_is_printed_at_the_end() -> None:
    console, out = pipe()
    with open_screens(console, ("Alice", "Bob")) as screens:
        screens.grew("Bob", 6, grew("one two", "two"))
    assert "       -       6 ms       … two" == out.getvalue().splitlines()[-1]


def test_a_terminal_shows_each_viewer_a_panel_whose_reply_grows_in_place() -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, height=20, force_terminal=True, color_system=None)
    with open_screens(console, ("Alice", "Bob")) as screens:
        screens.grew("Alice", 6, grew("one ", "one "))
        screens.grew("Alice", 8, grew("one two", "two"))
        screens.said("Alice", 9, message("one two", thread_id="msg_0"))
    final = out.getvalue().split("Alice's screen")[-1]
    assert 1 == final.count("Reviewer one two")
    assert "2 deltas" in final
    assert "▌" not in final
