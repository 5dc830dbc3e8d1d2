"""Commands between two connections: sent again, failed, forgotten."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from hub.client.errors import Unreachable
from hub.client.requests import Asked, Requests
from hub.core.errors import HubError, Missing, TooLarge


def ask(requests: Requests, kind: str, *, repeat: bool = True) -> Asked:
    answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    return requests.ask({"type": kind}, repeat=repeat, answer=answer)


def unsent(requests: Requests) -> list[str]:
    found = []
    while asked := requests.next_unsent():
        found.append(asked.body["type"])
    return found


async def test_commands_are_sent_in_order_each_with_its_id() -> None:
    requests = Requests()
    first, second = ask(requests, "one"), ask(requests, "two")
    assert {"id": 1, "type": "one"} == orjson.loads(first.frame)
    assert {"id": 2, "type": "two"} == orjson.loads(second.frame)
    assert ["one", "two"] == unsent(requests)
    assert [] == unsent(requests)


async def test_an_answer_finds_its_command_once() -> None:
    requests = Requests()
    asked = ask(requests, "one")
    reply = {"type": "reply", "id": asked.id, "ok": True, "data": {}}
    assert (asked, None) == requests.answered(reply)
    assert requests.answered(reply) is None
    assert requests.answered({"type": "reply", "id": None, "ok": True, "data": {}}) is None


async def test_a_refusal_is_the_hubs_error() -> None:
    requests = Requests()
    error = {"code": "ROOM_NOT_FOUND", "message": "no such room"}
    found = requests.answered({"id": ask(requests, "one").id, "ok": False, "error": error})
    assert found is not None and isinstance(found[1], Missing)
    assert "ROOM_NOT_FOUND" == found[1].code


async def test_after_a_cut_what_may_be_repeated_is_sent_again_and_the_rest_fails() -> None:
    requests = Requests()
    ask(requests, "post")
    typing = ask(requests, "typing", repeat=False)
    unsent(requests)
    ask(requests, "post later")
    requests.cut()
    assert ["post", "post later"] == unsent(requests)
    assert typing.answer is not None
    with pytest.raises(Unreachable):
        await typing.answer


async def test_a_command_nobody_waits_for_is_not_sent() -> None:
    requests = Requests()
    requests.forget(ask(requests, "one"))
    ask(requests, "two")
    assert ["two"] == unsent(requests)


async def test_a_frame_that_no_hub_takes_is_refused_before_it_is_sent() -> None:
    requests = Requests()
    requests.frame_bytes = 100
    with pytest.raises(TooLarge):
        requests.ask({"type": "post", "content": "x" * 100}, repeat=True)
    assert [] == unsent(requests)


async def test_at_the_end_everything_fails() -> None:
    requests = Requests()
    asked, error = ask(requests, "one"), HubError("the end")
    requests.end(error)
    assert asked.answer is not None
    with pytest.raises(HubError, match="the end"):
        await asked.answer
    assert [] == unsent(requests)
