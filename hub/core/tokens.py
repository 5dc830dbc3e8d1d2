"""A run's token: what allows an answer to one attempt from outside, without a key.

`rhr_<tenant>.<run>.<attempt>.<expiry>.<mac>`; the mac is HMAC-SHA256 (RFC 2104) of what is before
it, under the hub's secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "rhr_"
_FORM: Final = re.compile(
    r"rhr_([a-z0-9_-]{1,80})\.([a-z0-9_-]{1,60})\.([0-9]{1,9})\.([0-9]{1,15})\.([A-Za-z0-9_-]{43})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class RunToken:
    """The attempt a token is for."""

    tenant_id: str
    run_id: str
    attempt: int
    expires_ms: int


def make_token(secret: bytes, token: RunToken) -> str:
    """The token's text; the tenant goes before the run."""
    said = f"{token.tenant_id}.{token.run_id}.{token.attempt}.{token.expires_ms}"
    return f"{PREFIX}{said}.{_mac(secret, said)}"


def read_token(secret: bytes, text: str, now_ms: int) -> RunToken | None:
    """The token when it is one of ours and has not expired."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    tenant_id, run_id, attempt, expires_ms, mac = form.groups()
    said = f"{tenant_id}.{run_id}.{attempt}.{expires_ms}"
    if not hmac.compare_digest(mac, _mac(secret, said)) or int(expires_ms) < now_ms:
        return None
    return RunToken(tenant_id, run_id, int(attempt), int(expires_ms))


def _mac(secret: bytes, said: str) -> str:
    digest = hmac.new(secret, b"run token " + said.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
