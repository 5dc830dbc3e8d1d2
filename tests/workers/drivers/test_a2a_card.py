"""`workers.drivers.a2a_card`: which of an agent's interfaces is spoken."""

from __future__ import annotations

import httpx
import pytest

from hub.core.errors import Backend
from workers.drivers.a2a import A2aDriver

from .playing import QUICK, invocation, open_driver, play, text_of
from .raw_agent import answer, raw_agent, refused, result


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (answer(b"", status=404), "no agent card"),
        (answer(b"", status=500), "HTTP 500"),
        (answer([1]), "not a JSON object"),
        (answer({"name": "x"}), "no interface the hub can speak"),
        (answer(b" " * 300_000), "more than 262144 bytes"),
        (answer({"url": "file:///etc/passwd"}), "no interface"),
        (answer({"url": "http://a", "preferredTransport": "GRPC"}), "no interface"),
        (answer({"url": "http://a", "protocolVersion": "2.0"}), "no interface"),
        (answer({"url": "http://a", "protocolVersion": "1.0\r\nX: y"}), "no interface"),
        (answer({"supportedInterfaces": "all"}), "no interface"),
    ],
)
async def test_a_card_that_cannot_be_used_is_said_clearly(given: bytes, sentence: str) -> None:
    async with raw_agent() as raw:
        raw.card = given
        assert sentence in (await refused(raw)).message


async def test_the_card_may_be_named_itself_and_is_kept_for_a_while() -> None:
    now = 0.0
    async with (
        raw_agent(SendMessage=result({"message": {"parts": [{"text": "hi"}]}})) as raw,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        driver = A2aDriver(client, QUICK, clock=lambda: now)
        given = invocation(f"{raw.base}/cards/mine.json")
        await play(driver, given)
        await play(driver, given)
        assert raw.cards_read == 1
        now = QUICK.card_age_s + 1
        await play(driver, given)
    assert raw.cards_read == 2


async def test_the_card_is_read_again_after_the_agent_has_refused() -> None:
    hello = result({"message": {"parts": [{"text": "hi"}]}})
    async with raw_agent(SendMessage=[answer(b"", status=404), hello]) as raw:
        async with open_driver() as driver:
            with pytest.raises(Backend):
                await play(driver, invocation(raw.base))
            assert text_of(await play(driver, invocation(raw.base))) == "hi"
    assert raw.cards_read == 2


async def test_the_newest_protocol_of_a_card_is_spoken_at_its_own_address() -> None:
    async with raw_agent(SendMessage=result({"message": {"parts": [{"text": "hi"}]}})) as raw:
        old = {"url": "/old", "protocolBinding": "JSONRPC", "protocolVersion": "0.3"}
        new = {"url": "/new", "protocolBinding": "JSONRPC", "protocolVersion": "1.0", "tenant": "t"}
        raw.card = answer({"supportedInterfaces": [old, new]})
        async with open_driver() as driver:
            await play(driver, invocation(raw.base))
    assert raw.methods() == ["SendMessage"]
    assert raw.calls[0]["params"]["tenant"] == "t"


async def test_nobody_is_called_without_an_agent() -> None:
    async with open_driver() as driver:
        with pytest.raises(Backend, match="connection to the agent failed") as caught:
            await play(driver, invocation("http://127.0.0.1:9"))
        assert caught.value.transient
        for url in ("not a url", "ftp://host/x", "http://[", ""):
            with pytest.raises(Backend):
                await play(driver, invocation(url))
