"""What text and JSON a hub accepts: the same in SQLite, PostgreSQL and every client."""

from __future__ import annotations

from typing import Any, Final

CONTENT_BYTES: Final = 32_768
NAME_CHARS: Final = 200
DESCRIPTION_CHARS: Final = 2_000
PROMPT_BYTES: Final = 32_768
METADATA_BYTES: Final = 16_384
JSON_DEPTH: Final = 32
EMOJI_CHARS: Final = 64
JSON_INTEGER: Final = 2**53
_JOINERS: Final = frozenset("\u200d\ufe0f\U000e0020") | {chr(c) for c in range(0xE0061, 0xE0080)}


def text_fault(text: str) -> str | None:
    """Why a text cannot be stored, or None: it must be Unicode without NUL or surrogates."""
    if "\0" in text:
        return "must not contain NUL (U+0000)"
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "must be valid Unicode, without lone surrogates"
    return None


def content_fault(content: str) -> str | None:
    """Why a message's content is refused, or None."""
    fault = text_fault(content)
    if fault:
        return fault
    if not content or content.isspace():
        return "must not be empty"
    size = len(content) if content.isascii() else len(content.encode())
    if size > CONTENT_BYTES:
        return f"must be at most {CONTENT_BYTES} bytes of UTF-8, was {size}"
    return None


def emoji_fault(emoji: str) -> str | None:
    """Why a reaction is refused, or None: an emoji, or a short word such as `:ship:`."""
    if fault := text_fault(emoji):
        return fault
    if not 1 <= len(emoji) <= EMOJI_CHARS:
        return f"must be 1 to {EMOJI_CHARS} characters"
    if not all(char in _JOINERS or (char.isprintable() and char not in " /\\") for char in emoji):
        return "must not contain spaces, slashes or control characters"
    return None


def json_fault(value: Any) -> str | None:
    """Why a free JSON value cannot be stored exactly, or None."""
    stack = [(value, 0)]
    while stack:
        item, depth = stack.pop()
        if depth > JSON_DEPTH:
            return f"must not nest deeper than {JSON_DEPTH}"
        if isinstance(item, str) and (fault := text_fault(item)):
            return fault
        if isinstance(item, int | float) and abs(item) > JSON_INTEGER:
            return "numbers must lie within 2^53"
        if isinstance(item, dict):
            stack.extend((key, depth + 1) for key in item)
            stack.extend((child, depth + 1) for child in item.values())
        elif isinstance(item, list):
            stack.extend((child, depth + 1) for child in item)
    return None
