"""What a session is found by of its metadata: keys of its top level, each with its value as text.
Pure."""

from __future__ import annotations

from typing import Any, Final

from hub.core.values import Json

FOUND_CHARS: Final = 256
ASKED: Final = 8


def found_by(metadata: Json) -> dict[str, str]:
    """The keys that have a text, a number or a boolean as value. Longer ones than `FOUND_CHARS`,
    lists, objects and null are kept, and nothing is found by them."""
    texts = {key: text_of(value) for key, value in metadata.items() if len(key) <= FOUND_CHARS}
    return {
        key: text
        for key, text in texts.items()
        if key and text is not None and len(text) <= FOUND_CHARS
    }


def text_of(value: Any) -> str | None:
    """A value as it is asked for: `5` for 5 and 5.0, `true` for true, a text as it is,
    other numbers as JSON writes them."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return repr(value).replace("e-0", "e-") if isinstance(value, int | float) else None
