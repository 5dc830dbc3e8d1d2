"""The HTTP client for model servers: it goes where it was told to go and nowhere else."""

from __future__ import annotations

import httpx
import pytest

from hub.core.errors import Backend
from hub.models.openai import OpenAiBackend, Upstream, open_client

from .asking import reply_of
from .server import ModelServer


async def test_a_redirect_is_not_followed() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        headers = {"location": "http://elsewhere.example/v1"}
        return httpx.Response(307, headers=headers, stream=httpx.ByteStream(b""))

    async with open_client(httpx.MockTransport(answer)) as client:
        with pytest.raises(Backend):
            await reply_of(OpenAiBackend(Upstream("http://models.example/v1", "m"), client))
    assert ["models.example"] == seen


async def test_the_environments_proxies_are_not_used(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens on that port: whoever goes there fails."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with open_client() as client:
        assert await reply_of(OpenAiBackend(Upstream(server.base_url, "plain"), client))
