"""What a webhook's requests are signed with: made with its driver, rotated, shown once."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.errors import Invalid
from hub.core.values import Participant
from hub.parts import Parts
from hub.wire.bodies import validate
from hub.wire.requests import ChangeParticipant
from tests.support.parts import ADMIN

from .test_participants import body

HOOK = {"kind": "webhook", "url": "https://bots.example.com/hook"}
ELSEWHERE = {"kind": "webhook", "url": "https://bots.example.com/other"}


async def changed(parts: Parts, **fields: Any) -> Participant:
    return await parts.participants.change(ADMIN, "bot_new", validate(ChangeParticipant, fields))


def shown(participant: Participant) -> list[str]:
    return [each["secret"] for each in participant.secrets[:1]]


async def test_a_secret_is_shown_when_it_is_made_and_never_again(parts: Parts) -> None:
    await parts.participants.create(ADMIN, body("bot_new"))
    assert [] == shown(await changed(parts, name="Named"))
    (first,) = shown(await changed(parts, driver=HOOK))
    assert first.startswith("whsec_")
    assert [] == shown(await changed(parts, driver=ELSEWHERE))
    assert [] == shown(await changed(parts, name="Again"))
    (second,) = shown(await changed(parts, rotate_secret=True))
    assert first != second


async def test_a_secret_that_was_rotated_stays_good_for_a_day(parts: Parts) -> None:
    made = await parts.participants.create(ADMIN, body("bot_new", driver=HOOK))
    await changed(parts, rotate_secret=True)
    new, old = (await parts.participants.get(ADMIN, "bot_new")).secrets
    assert (None, made.secrets[0]["secret"]) == (new["until_ms"], old["secret"])
    assert old["until_ms"] is not None


async def test_only_a_webhook_has_a_secret(parts: Parts) -> None:
    await parts.participants.create(ADMIN, body("bot_new", driver={"kind": "socket"}))
    with pytest.raises(Invalid) as caught:
        await changed(parts, rotate_secret=True)
    assert "rotate_secret" == caught.value.details[0].field
    await changed(parts, driver=HOOK)
    assert [] == shown(await changed(parts, driver={"kind": "socket"}))
    assert () == (await parts.participants.get(ADMIN, "bot_new")).secrets
