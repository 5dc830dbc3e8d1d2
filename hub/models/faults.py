"""What went wrong at a model's server, said as one of our errors. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from hub.core.errors import Backend, ModelUnavailable, PromptTooLong

MAX_EXCERPT_CHARS = 300
MAX_RETRY_AFTER_S = 24 * 3600.0

# In the words of OpenAI and vLLM, llama.cpp, Anthropic, Gemini.
_OVERFLOW = re.compile(
    r"context (length|size|window)|context_length|prompt is too long|exceeds the maximum number of"
    r" tokens|too many tokens",
    re.IGNORECASE,
)
_TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
_MEANING = {
    401: "refused the hub's key",
    403: "refused the hub's key",
    404: "does not know this path or model",
    429: "asks to slow down",
}
_PERMANENT_KINDS = ("invalid", "context_length", "auth", "permission", "not_found", "content")


def is_transient(status: int) -> bool:
    """Whether the same request may succeed later."""
    return status in _TRANSIENT_STATUS or status >= 500


def refusal(status: int, headers: Mapping[str, str], text: str, now: datetime) -> Backend:
    """The error of an answer that is not 200; `text` is an excerpt already made safe."""
    if 300 <= status < 400:
        meaning = "redirects, which is not followed"
    else:
        meaning = _MEANING.get(status, "answered with an error")
    detail = f": {text}" if text else ""
    return _kind_of(status, text)(
        f"the model server {meaning} (HTTP {status}){detail}",
        transient=is_transient(status),
        answered=status,
        retry_after=retry_after_s(headers, now),
    )


def _kind_of(status: int, text: str) -> type[Backend]:
    if status == 429:
        return ModelUnavailable
    return PromptTooLong if status in (400, 413) and _OVERFLOW.search(text) else Backend


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait: `retry-after-ms` (OpenAI) or `Retry-After`, number or date (RFC 9110)."""
    waits = (
        _number(headers.get("retry-after-ms", ""), 1000.0),
        _number(headers.get("retry-after", ""), 1.0),
        _until(headers.get("retry-after", ""), now),
    )
    wait = next((w for w in waits if w is not None), None)
    return None if wait is None else min(max(wait, 0.0), MAX_RETRY_AFTER_S)


def _number(value: str, per_second: float) -> float | None:
    digits = value.strip()
    if not digits.replace(".", "", 1).isdecimal() or not digits.isascii():
        return None
    return float(digits) / per_second


def _until(value: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp()


def reported(body: Mapping[str, Any]) -> tuple[str, bool] | None:
    """(text, transient) of an error object sent as a body or a frame; None when there is none.

    Known forms: `{"error": {"message", "type", "code"}}`, `{"error": "text"}`, and the flat
    `{"object": "error", "message", "code"}`.
    """
    error = body.get("error") or (body if body.get("object") == "error" else None)
    if not error:
        return None
    if not isinstance(error, Mapping):
        return str(error), True
    text = str(error.get("message") or error.get("type") or error.get("code") or "no reason given")
    return text, _may_pass(error)


def _may_pass(error: Mapping[str, Any]) -> bool:
    code = str(error.get("code") or error.get("status") or "")
    if len(code) == 3 and code.isdecimal():
        return is_transient(int(code))
    kind = f"{error.get('type') or ''} {code}".lower()
    return not any(word in kind for word in _PERMANENT_KINDS)


def excerpt(text: str, secret: str | None) -> str:
    """One printable line of an upstream's text, bounded, without the key it was called with."""
    if secret:
        text = text.replace(secret, "[key]")
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:4096]).split())
    return line if len(line) <= MAX_EXCERPT_CHARS else line[: MAX_EXCERPT_CHARS - 1] + "…"
