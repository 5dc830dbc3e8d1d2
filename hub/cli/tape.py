"""Where a room that is followed is shown: on a terminal with the replies that are being written at
its foot, as plain lines elsewhere, as JSON for programs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

import orjson
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from hub.cli.lines import Line, line_of
from hub.cli.screens import COLOURS
from hub.cli.show import printable, printable_lines
from hub.client import Draft, Logged

_DRAFT_LINES: Final = 4
_REFRESH_S: Final = 0.05


class Tape(Protocol):
    """What came is shown as it comes."""

    def logged(self, event: Logged) -> None:
        """An entry of the log."""

    def drafts(self, drafts: Mapping[str, Draft]) -> None:
        """Replies that are being written now."""


@contextlib.contextmanager
def open_tape(*, as_json: bool) -> Iterator[Tape]:
    """The tape for standard output as it is."""
    console = Console()
    if as_json:
        yield JsonTape()
    elif not console.is_terminal:
        yield PlainTape()
    else:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield TerminalTape(live)


class JsonTape:
    """One entry of the log a line, as the hub sends it."""

    def logged(self, event: Logged) -> None:
        about = {
            "type": event.type, "room_id": event.room_id, "seq": event.seq, "at": event.at,
            "data": event.data,
        }  # fmt: skip
        print(orjson.dumps(about).decode(), flush=True)

    def drafts(self, drafts: Mapping[str, Draft]) -> None:
        """A reply comes when it is whole."""


class PlainTape:
    """Lines of text, each written at once."""

    def logged(self, event: Logged) -> None:
        if line := line_of(event.type, event.at, event.data):
            print(line, flush=True)

    def drafts(self, drafts: Mapping[str, Draft]) -> None:
        """A reply comes when it is whole."""


class TerminalTape:
    """Lines that scroll by; below them the last lines of every reply that is being written."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._shown_at = 0.0
        self._any = False

    def logged(self, event: Logged) -> None:
        if line := line_of(event.type, event.at, event.data):
            self._live.console.print(_styled(line), highlight=False, soft_wrap=True)

    def drafts(self, drafts: Mapping[str, Draft]) -> None:
        now = time.monotonic()
        if (drafts and now < self._shown_at + _REFRESH_S) or not (drafts or self._any):
            return
        self._shown_at, self._any = now, bool(drafts)
        width = self._live.console.width
        self._live.update(Group(*(_growing(each, width) for each in drafts.values())), refresh=True)


def _styled(line: Line) -> Text:
    if line.about:
        return Text(str(line), "dim")
    who = (f"{line.who}: ", f"bold {COLOURS.get(line.kind, 'white')}")
    return Text.assemble((line.lead, "dim"), who, line.body)


def _growing(draft: Draft, width: int) -> Text:
    """Its end, where it does not fit."""
    who = (f"{printable(draft.participant['name'])} ", f"bold {COLOURS[draft.participant['type']]}")
    end = "\n".join(printable_lines(draft.text)[-_DRAFT_LINES:])[-_DRAFT_LINES * (width - 8) :]
    return Text.assemble(("  ↳ ", "dim"), who, end, (" ▌", "blink"))
