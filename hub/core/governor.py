"""What keeps AI participants from answering each other for ever."""

from __future__ import annotations

from typing import Final

DEPTH_CAP: Final = 6


def held_back(depth: int) -> str | None:
    """Why a run at `depth` (hops since a human spoke) is not started, or None to start it."""
    return f"depth {depth} is over the cap of {DEPTH_CAP}" if depth > DEPTH_CAP else None
