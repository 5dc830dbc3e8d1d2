"""Secrets that are needed again as they were: the keys of models, what webhooks are signed with.
They are sealed before they are stored, so that a copy of the database alone tells none of them.
"""

from __future__ import annotations

import base64
import os
from functools import cached_property
from typing import TYPE_CHECKING, Final

from hub.core.errors import HubError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MARK: Final = "sealed:"
_USE: Final = b"roomhub: secrets in the database"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class Unopenable(HubError):
    """What was sealed by another secret, for somebody else, or was changed since."""

    def __init__(self) -> None:
        super().__init__("a stored secret cannot be read: HUB_SECRET_KEY was another then")


class Seal:
    """AES-256-GCM (NIST SP 800-38D) by a key that is derived from the hub's `secret` (HKDF,
    RFC 5869). What is closed opens for its `owner` alone: moved to another row it is worthless."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @cached_property
    def _cipher(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 10 MB, for who needs it
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return AESGCM(HKDF(SHA256(), _KEY_BYTES, None, _USE).derive(self._secret))

    def close(self, text: str, owner: str) -> str:
        """What is stored: the same text never looks the same."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, text.encode(), owner.encode())
        return MARK + base64.urlsafe_b64encode(sealed).decode()

    def open(self, stored: str, owner: str) -> str:
        """The text again; what was never sealed is the text. Raises Unopenable."""
        if not stored.startswith(MARK):
            return stored
        from cryptography.exceptions import InvalidTag

        try:
            sealed = base64.urlsafe_b64decode(stored.removeprefix(MARK))
            nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, rest, owner.encode()).decode()
        except (InvalidTag, ValueError):
            raise Unopenable from None


def model_owner(tenant_id: str, slug: str) -> str:
    """Whose the keys of a tenant's model are."""
    return f"model {tenant_id} {slug}"


def webhook_owner(tenant_id: str, participant_id: str) -> str:
    """Whose the secrets of a webhook are."""
    return f"webhook {tenant_id} {participant_id}"
