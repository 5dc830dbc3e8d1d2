"""Signatures of requests by Standard Webhooks 1.0 (standardwebhooks.com), symmetric form. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

PREFIX: Final = "whsec_"
_KEY_BYTES: Final = range(24, 65)


def signed_headers(
    secrets: Iterable[str], message_id: str, sent_s: int, body: bytes
) -> dict[str, str]:
    """The three headers: the id is the message's, the same when it is sent again, `sent_s` is the
    time of this sending (Unix seconds), and there is a signature for each secret, so that one can
    be replaced while both are in use. Raises ValueError for a secret that is none."""
    text = b"%s.%d.%s" % (message_id.encode(), sent_s, body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_s),
        "webhook-signature": " ".join(_signature(_key(secret), text) for secret in secrets),
    }


def _signature(key: bytes, text: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    """The bytes of a secret; padding may be left out."""
    encoded = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(PREFIX) or len(key) not in _KEY_BYTES:
        raise ValueError(f"a secret is {PREFIX} and 24 to 64 bytes in base64")
    return key
