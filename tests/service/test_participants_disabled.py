"""Disabling somebody must reach the gateways where they are connected or known."""

from __future__ import annotations

import pytest

from hub.core.errors import Invalid
from hub.parts import Parts
from hub.wire.bodies import validate
from hub.wire.requests import ChangeParticipant, CreateKey
from tests.support.parts import ADMIN, BOB, DRIVER, ELIZA


async def test_the_keys_of_who_is_disabled_are_revoked(parts: Parts) -> None:
    """Gateways learn of revocations and of nothing else."""
    made = await parts.access.create_key(BOB, validate(CreateKey, {"name": "k"}))
    await parts.participants.disable(ADMIN, BOB.id)
    told = [change.subject_id for change in await parts.store.access_changes.after(0, 10)]
    assert made["id"] in told


async def test_who_is_disabled_gets_no_key_and_no_driver_again(parts: Parts) -> None:
    await parts.participants.disable(ADMIN, ELIZA)
    for field, asked in (
        ("participant_id", parts.access.create_key(ADMIN, validate(CreateKey, {
            "name": "k", "participant_id": ELIZA,
        }))),
        ("driver", parts.participants.change(
            ADMIN, ELIZA, validate(ChangeParticipant, {"driver": DRIVER})
        )),
    ):  # fmt: skip
        with pytest.raises(Invalid) as caught:
            await asked
        assert field == caught.value.details[0].field
