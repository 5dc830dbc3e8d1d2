"""How commands show what they found: tables for people, JSON for programs."""

from __future__ import annotations

from typing import Annotated, Any, Final

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hub.core.values import Json

PIPE_WIDTH: Final = 100_000
_JOINERS: Final = "\u200c\u200d"  # between letters, and within emoji
AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]


def print_json(value: Any) -> None:
    print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def print_table(items: list[Json], columns: tuple[str, ...]) -> None:
    """In a pipe nothing is cut off to fit a width."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        title = column.removesuffix("_id").removesuffix("_at")
        table.add_column(title, overflow="fold", no_wrap=column == "id")
    for item in items:
        table.add_row(*(Text(_cell(column, item[column])) for column in columns))
    console.print(table)


def _cell(column: str, value: Any) -> str:
    """Times to the minute, in UTC."""
    shown = " ".join(value) if isinstance(value, list) else value
    text = "" if shown is None else printable(str(shown))
    return text[:16].replace("T", " ") if column.endswith("_at") else text


def print_fields(about: Json) -> None:
    """One thing, a line for each of its fields that has a value."""
    width = max(map(len, about))
    for name, value in about.items():
        if value not in (None, ""):
            print(f"{name:<{width}}  {_cell(name, value)}")


def printable(text: str) -> str:
    """One line that a terminal only shows: what users call things may hold control sequences."""
    return "".join(char if char.isprintable() or char in _JOINERS else "\ufffd" for char in text)


def printable_lines(text: str) -> list[str]:
    """As `printable`, of a text of several lines."""
    return [printable(line) for line in text.expandtabs(4).splitlines()] or [""]


def tell(line: str) -> None:
    Console(stderr=True).print(line, highlight=False, markup=False, soft_wrap=True)
