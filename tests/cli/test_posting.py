"""`hub.cli.posting`: what may have been stored is posted again as the same post."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from hub.cli.posting import Posting, post_once
from hub.cli.reach import Stop
from hub.client import open_client
from hub.core.errors import Unavailable

ROOM = {"id": "room_1"}
UNKNOWN = httpx.Response(
    503, json={"status": "error", "error": {"code": "OUTCOME_UNKNOWN", "message": "not known"}}
)


class Hub:
    """Answers with `answers`, the last of them for ever, and keeps what was posted."""

    def __init__(self, *answers: httpx.Response | None) -> None:
        self._answers = list(answers)
        self.posted: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.posted.append(orjson.loads(request.content))
        answer = self._answers[min(len(self.posted), len(self._answers)) - 1]
        if answer is None:
            raise httpx.ReadError("cut")
        return answer

    async def post(self, posting: Posting) -> dict[str, Any]:
        transport = httpx.MockTransport(self)
        async with open_client("http://hub.test", "rhk_a_b", transport=transport) as client:
            return await post_once(client, ROOM, posting, pauses_s=(0, 0))


def stored() -> httpx.Response:
    return httpx.Response(201, json={"status": "ok", "data": {"id": "msg_1", "runs": []}})


@pytest.mark.parametrize("thread_id", [None, "msg_0"])
async def test_an_answer_that_was_lost_is_asked_for_with_the_same_client_id(
    thread_id: str | None,
) -> None:
    hub = Hub(None, UNKNOWN, stored())
    assert "msg_1" == (await hub.post(Posting("hello", [], thread_id)))["id"]
    assert 3 == len(hub.posted)
    assert 1 == len({each["client_id"] for each in hub.posted})


async def test_two_posts_of_the_same_text_are_two() -> None:
    hub = Hub(stored())
    await hub.post(Posting("hello", []))
    await hub.post(Posting("hello", []))
    assert 2 == len({each["client_id"] for each in hub.posted})


async def test_what_stays_unknown_is_said() -> None:
    hub = Hub(UNKNOWN)
    with pytest.raises(Unavailable, match="not known"):
        await hub.post(Posting("hello", []))
    assert 3 == len(hub.posted)


async def test_what_is_refused_is_not_tried_again() -> None:
    refusal = {"code": "AUTHZ_PERMISSION_DENIED", "message": "only members may post"}
    hub = Hub(httpx.Response(403, json={"status": "error", "error": refusal}))
    with pytest.raises(Stop, match="only members may post; --join"):
        await hub.post(Posting("hello", []))
    assert 1 == len(hub.posted)
