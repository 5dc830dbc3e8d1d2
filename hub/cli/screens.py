"""What the demo's clients see, side by side: live panels in a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hub.client import DraftGrew
from hub.core.values import Json

COLOURS: Final = {"user": "cyan", "bot": "magenta", "agent": "yellow", "persona": "green"}
_REFRESH_HZ: Final = 20


class Screens(Protocol):
    """Where the viewers' events are shown. Times are milliseconds since the scene began."""

    def said(self, viewer: str, at_ms: float, message: Json) -> None:
        """A message came to a viewer."""

    def grew(self, viewer: str, at_ms: float, event: DraftGrew) -> None:
        """A piece of a reply came to a viewer."""


@contextlib.contextmanager
def open_screens(console: Console, viewers: Sequence[str]) -> Iterator[Screens]:
    """Panels in a terminal, lines in a pipe or file."""
    if not console.is_terminal:
        lines = Lines(console, viewers)
        yield lines
        lines.close()
        return
    panels = Panels(viewers)
    with Live(panels, console=console, refresh_per_second=_REFRESH_HZ, vertical_overflow="visible"):
        yield panels


class Unseen:
    """Screens that nobody looks at."""

    def said(self, viewer: str, at_ms: float, message: Json) -> None:
        """Nothing."""

    def grew(self, viewer: str, at_ms: float, event: DraftGrew) -> None:
        """Nothing."""


class Lines:
    """One line for each thing seen, with the time at which it came to each viewer."""

    def __init__(self, console: Console, viewers: Sequence[str]) -> None:
        self._console = console
        self._viewers = viewers
        self._seen: dict[object, tuple[str, dict[str, float]]] = {}
        self._print("   ".join(f"{viewer:>8}" for viewer in viewers))

    def said(self, viewer: str, at_ms: float, message: Json) -> None:
        where = " (in the thread)" if message["thread_id"] else ""
        line = f"{message['author']['name']}{where}: {message['content']}"
        self._note(message["id"], line, viewer, at_ms)

    def grew(self, viewer: str, at_ms: float, event: DraftGrew) -> None:
        draft = event.draft
        line = f"    … {event.text.strip()}"
        if event.offset == 0:
            line = f"{draft.participant['name']} is writing: {event.text.strip()}"
        self._note((draft.run_id, draft.attempt, event.offset), line, viewer, at_ms)

    def _note(self, what: object, line: str, viewer: str, at_ms: float) -> None:
        """Print a line once everybody has seen what it is about."""
        _, times = self._seen.setdefault(what, (line, {}))
        times[viewer] = at_ms
        if len(times) == len(self._viewers):
            del self._seen[what]
            self._print(f"{self._times(times)}   {line}")

    def _times(self, times: dict[str, float]) -> str:
        shown = [f"{times[v]:.0f} ms" if v in times else "-" for v in self._viewers]
        return "   ".join(f"{time:>8}" for time in shown)

    def close(self) -> None:
        """Print what did not come to everybody."""
        for line, times in self._seen.values():
            self._print(f"{self._times(times)}   {line}")

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


class Panels:
    """A panel for each viewer, side by side; replies grow in place while they are written."""

    def __init__(self, viewers: Sequence[str]) -> None:
        self._panels = {viewer: _Panel(viewer) for viewer in viewers}

    def said(self, viewer: str, at_ms: float, message: Json) -> None:
        self._panels[viewer].said(at_ms, message)

    def grew(self, viewer: str, at_ms: float, event: DraftGrew) -> None:
        self._panels[viewer].grew(at_ms, event)

    def __rich__(self) -> RenderableType:
        grid = Table.grid(expand=True, padding=(0, 1))
        for _ in self._panels:
            grid.add_column(ratio=1)
        grid.add_row(*self._panels.values())
        return grid


class _Panel:
    """One viewer's screen: a block for each message, in the order in which they came."""

    def __init__(self, viewer: str) -> None:
        self._viewer = viewer
        self._blocks: dict[str, Text] = {}
        self._deltas = 0

    def said(self, at_ms: float, message: Json) -> None:
        threaded = message["thread_id"] is not None
        block = _head(message["author"], at_ms, threaded).append(message["content"])
        self._blocks[message["id"]] = block

    def grew(self, at_ms: float, event: DraftGrew) -> None:
        self._deltas += 1
        draft = event.draft
        block = _head(draft.participant, at_ms, True).append(draft.text).append(" ▌", "blink")
        self._blocks[draft.message_id] = block

    def __rich__(self) -> RenderableType:
        return Panel(
            Group(*self._blocks.values()),
            title=f"{self._viewer}'s screen",
            subtitle=f"{self._deltas} deltas" if self._deltas else None,
            border_style="dim",
        )


def _head(author: Json, at_ms: float, threaded: bool) -> Text:
    """When, and who."""
    when = (f"{at_ms:5.0f} ms {'↳ ' if threaded else ''}", "dim")
    return Text.assemble(when, (f"{author['name']} ", f"bold {COLOURS[author['type']]}"))
