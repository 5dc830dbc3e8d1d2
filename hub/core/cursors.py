"""List cursors: opaque, bound to one list, and refused when anybody changed them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

_MAC_BYTES: Final = 12


class BadCursor(ValueError):
    """A cursor this hub did not make for this list."""


def encode(secret: bytes, scope: str, value: str) -> str:
    """A cursor for `value` in the list named by `scope`."""
    body = value.encode()
    return base64.urlsafe_b64encode(_mac(secret, scope, body) + body).decode().rstrip("=")


def decode(secret: bytes, scope: str, cursor: str) -> str:
    """The value; BadCursor for anything `encode` did not make with this secret and scope."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadCursor(str(error)) from None
    mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(secret, scope, body)):
        raise BadCursor("the cursor does not belong to this list")
    return body.decode()


def _mac(secret: bytes, scope: str, body: bytes) -> bytes:
    message = scope.encode() + b"\0" + body
    return hmac.digest(secret, message, hashlib.sha256)[:_MAC_BYTES]
