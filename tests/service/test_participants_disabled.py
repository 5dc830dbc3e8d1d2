"""Disabling somebody must reach the gateways where they are connected or known."""

from __future__ import annotations

from hub.parts import Parts
from hub.wire.bodies import validate
from hub.wire.requests import CreateKey
from tests.support.parts import ADMIN, BOB


async def test_the_keys_of_who_is_disabled_are_revoked(parts: Parts) -> None:
    """Gateways learn of revocations and of nothing else."""
    made = await parts.access.create_key(BOB, validate(CreateKey, {"name": "k"}))
    await parts.participants.disable(ADMIN, BOB.id)
    told = [change.subject_id for change in await parts.store.access_changes.after(0, 10)]
    assert made["id"] in told
