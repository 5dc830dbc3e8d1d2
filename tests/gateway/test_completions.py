"""hub/gateway/completions.py: stateless completions within the tenant's budget."""

from __future__ import annotations

import httpx

from hub.gateway.app import make_app
from hub.gateway.gateway import Gateway
from hub.parts import Parts, open_parts
from hub.settings import Settings
from hub.wire.requests import CreateKey
from tests.support.parts import ADMIN

COMPLETIONS = "/v1/chat/completions"
HELLO = {"model": "builtin/echo", "messages": [{"role": "user", "content": "hello"}]}


async def client_of(parts: Parts) -> httpx.AsyncClient:
    made = await parts.access.create_key(ADMIN, CreateKey(name="x", participant_id=ADMIN.id))
    transport = httpx.ASGITransport(make_app(Gateway(parts)))
    headers = {"Authorization": f"Bearer {made['key']}"}
    return httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers)


async def test_the_budget_holds_and_says_when_it_ends(settings: Settings, valkey: str) -> None:
    async with open_parts(settings.model_copy(update={"budget_runs": 2}), valkey) as parts:
        async with await client_of(parts) as client:
            answers = [await client.post(COMPLETIONS, json=HELLO) for _ in range(3)]
    assert [200, 200, 429] == [answer.status_code for answer in answers]
    about = answers[-1].json()["error"]
    assert ("BUDGET_EXCEEDED", "insufficient_quota", "false") == (
        about["code"], about["type"], answers[-1].headers["x-should-retry"],
    )  # fmt: skip
    assert 0 < int(answers[-1].headers["retry-after"]) <= 86_400


async def test_what_was_used_is_stored_when_the_hub_stops(settings: Settings, valkey: str) -> None:
    async with open_parts(settings, valkey) as parts:
        async with await client_of(parts) as client:
            for _ in range(5):
                await client.post(COMPLETIONS, json=HELLO)
    async with open_parts(settings, valkey) as parts:
        (row,) = await parts.store.completions.usage(ADMIN.tenant_id, "model", 0)
    assert ("builtin/echo", 5, 10, 10) == (
        row["key"], row["completions"], row["prompt_tokens"], row["completion_tokens"],
    )  # fmt: skip


async def test_a_browsers_client_of_openai_may_send_its_headers(
    settings: Settings, valkey: str
) -> None:
    origin = "https://chat.example"
    async with open_parts(settings.model_copy(update={"allowed_origins": (origin,)}), valkey) as p:
        async with await client_of(p) as client:
            asked = {
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
            }
            allowed, refused = [
                await client.options(COMPLETIONS, headers=asked | {"Origin": each})
                for each in (origin, "https://elsewhere.example")
            ]
    assert (200, origin) == (allowed.status_code, allowed.headers["access-control-allow-origin"])
    assert "x-stainless-os" in allowed.headers["access-control-allow-headers"]
    assert "access-control-allow-origin" not in refused.headers
