"""The REST calls: errors, lists, and answers that come from no hub."""

from __future__ import annotations

import httpx
import pytest

from hub.client import Unreachable, open_client
from hub.client.errors import hub_error
from hub.core.errors import HubError, Invalid, Limited, Missing, Unauthenticated
from tests.client.guests import open_guest
from tests.support.hub import HubProcess


async def test_a_thread_is_written_and_read(hub: HubProcess) -> None:
    async with open_guest(hub) as guest, open_client(hub.address, guest.key) as client:
        root = await client.post(guest.room_id, "root", client_id="once")
        again = await client.post(guest.room_id, "root", client_id="once")
        reply = await client.reply(guest.room_id, root["id"], "reply")
        thread = await client.thread(guest.room_id, root["id"])
        assert root["id"] == again["id"]
        assert [root["id"], reply["id"]] == [message["id"] for message in thread]
        assert guest.room_id in [room["id"] for room in await client.rooms()]
        log = await client.events(guest.room_id, since=root["seq"] - 1)
        assert ["message.created", "message.created"] == [event["type"] for event in log]


async def test_refusals_carry_the_hubs_code_and_fields(hub: HubProcess) -> None:
    async with open_guest(hub) as guest, open_client(hub.address, guest.key) as client:
        with pytest.raises(Missing) as missing:
            await client.room("room_nowhere")
        with pytest.raises(Invalid) as invalid:
            await client.post(guest.room_id, "")
    assert "ROOM_NOT_FOUND" == missing.value.code
    assert ["content"] == [detail.field for detail in invalid.value.details]


async def test_a_wrong_key_is_unauthenticated(hub: HubProcess) -> None:
    async with open_client(hub.address, "rhk_nobody_nothing") as client:
        with pytest.raises(Unauthenticated):
            await client.me()


async def test_no_hub_is_unreachable(unused_tcp_port: int) -> None:
    async with open_client(f"http://127.0.0.1:{unused_tcp_port}", "rhk_a_b") as client:
        with pytest.raises(Unreachable):
            await client.me()


async def test_an_answer_that_is_not_a_hubs_is_an_error_with_its_status() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(502, text="<html>bad gateway"))
    async with open_client("http://proxy.test", "rhk_a_b", transport=transport) as client:
        with pytest.raises(HubError, match="HTTP 502"):
            await client.me()


async def test_a_list_is_read_to_its_end() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params.get("cursor", 0))
        more = str(page + 1) if page < 2 else None
        pagination = {"has_more": more is not None, "next_cursor": more}
        return httpx.Response(
            200, json={"status": "ok", "data": {"items": [{"n": page}]}, "pagination": pagination}
        )

    transport = httpx.MockTransport(answer)
    async with open_client("http://hub.test", "rhk_a_b", transport=transport) as client:
        assert [{"n": 0}, {"n": 1}, {"n": 2}] == await client.keys()


def test_an_error_object_becomes_the_error_of_its_kind() -> None:
    limited = hub_error({"code": "RATE_LIMITED", "message": "slower", "retry_after": 2})
    unknown = hub_error({"code": "FROM_THE_FUTURE", "message": "new"})
    assert isinstance(limited, Limited) and 2 == limited.retry_after
    assert (HubError, "FROM_THE_FUTURE") == (type(unknown), unknown.code)
    assert "INTERNAL" == hub_error({}).code
