"""Chromium's own WebSocket, without the web app, over a restart of the hub."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from playwright.async_api import Browser

from tests.browser.windows import WAIT_MS
from tests.e2e.people import add_person, add_room, head_of
from tests.e2e.restarts import LAST, SCRIPT, check, post, restart
from tests.support.hub import run_hub


async def test_a_browser_resumes_over_a_restart_of_the_hub(
    chromium: Browser, tmp_path: Path
) -> None:
    with run_hub(tmp_path / "data", env={"HUB_WS_DEFLATE": "true"}) as hub:
        person = add_person(hub, "caller")
        room_id = add_room(person)
        head = head_of(person, room_id)
        page = await chromium.new_page()
        await page.goto(f"{hub.address}/healthz")  # an Origin of the hub's own
        given = json.dumps([hub.ws_address, person.key, room_id, LAST])
        joined = asyncio.Event()
        await page.expose_function("joined", joined.set)
        telling = asyncio.create_task(
            page.evaluate(f"() => {{ {SCRIPT}; return follow(WebSocket, ...{given}, joined); }}")
        )
        try:
            await asyncio.wait_for(joined.wait(), WAIT_MS / 1000)
            before, after = [f"before {n}" * 9 for n in range(20)], [f"after {n}" for n in range(9)]
            await asyncio.to_thread(post, person, room_id, *before)
            await asyncio.to_thread(restart, hub)
            await asyncio.to_thread(post, person, room_id, *after, LAST)
            story = await asyncio.wait_for(telling, WAIT_MS / 1000)
        finally:
            telling.cancel()
            await page.close()
            person.client.close()
    check(story, [*before, *after, LAST], head)
