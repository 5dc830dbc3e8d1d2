"""Standard output as part of a pipe, whose reader may have enough of it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Final

import typer

BROKEN_PIPE: Final = 128 + signal.SIGPIPE
INTERRUPTED: Final = 128 + signal.SIGINT


@contextlib.contextmanager
def piped() -> Iterator[None]:
    """What is printed within is written when this ends. When nobody reads it any more, or with
    Ctrl-C, the command ends without a word, with the status that a shell gives such an end."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # Python flushes it once more at its exit
        raise typer.Exit(BROKEN_PIPE) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends what is done within in order, so that a terminal gets its cursor back."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
