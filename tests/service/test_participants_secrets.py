"""What a webhook's requests are signed with: made with its driver, rotated, shown once."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.errors import Invalid
from hub.core.posts import RequestKey
from hub.core.values import Participant
from hub.parts import Parts
from hub.sealing import MARK, Seal, webhook_owner
from hub.wire.bodies import validate
from hub.wire.requests import ChangeParticipant
from tests.support.parts import ACME, ADMIN

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
    owner = webhook_owner(ACME, "bot_new")
    assert shown(made) == [parts.models.seal.open(old["secret"], owner)]
    assert new["until_ms"] is None
    assert old["until_ms"] is not None


async def test_a_secret_is_sealed_where_it_is_stored(parts: Parts) -> None:
    made = await parts.participants.create(ADMIN, body("bot_new", driver=HOOK))
    (first,) = shown(made)
    assert first.startswith("whsec_")
    (second,) = shown(await changed(parts, rotate_secret=True))
    stored = (await parts.participants.get(ADMIN, "bot_new")).secrets
    assert all(each["secret"].startswith(MARK) for each in stored)
    assert [] == [each for each in (first, second) if each in repr(stored)]


async def test_the_same_request_again_shows_the_same_secret(parts: Parts) -> None:
    request = RequestKey("participants", "again", "the same")
    first, again = [
        shown(await parts.participants.create(ADMIN, body("bot_new", driver=HOOK), request))
        for _ in range(2)
    ]
    assert first == again != []


async def test_one_that_was_stored_under_another_secret_is_rotated(parts: Parts) -> None:
    await parts.participants.create(ADMIN, body("bot_new", driver=HOOK))
    foreign = {"secret": Seal(b"another").close("whsec_x", "somebody"), "until_ms": None}
    await parts.store.participants.update(ACME, "bot_new", {"secrets": [foreign]}, None)
    (new,) = shown(await changed(parts, rotate_secret=True))
    assert new.startswith("whsec_")


async def test_only_a_webhook_has_a_secret(parts: Parts) -> None:
    await parts.participants.create(ADMIN, body("bot_new", driver={"kind": "socket"}))
    with pytest.raises(Invalid) as caught:
        await changed(parts, rotate_secret=True)
    assert "rotate_secret" == caught.value.details[0].field
    await changed(parts, driver=HOOK)
    assert [] == shown(await changed(parts, driver={"kind": "socket"}))
    assert () == (await parts.participants.get(ADMIN, "bot_new")).secrets
