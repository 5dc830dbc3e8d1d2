"""The way in and out: the printed link, a key, a key that is no more."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import expect

from tests.browser.desk import Desk, until
from tests.browser.windows import open_window
from tests.support.hub import run_hub

LINK = re.compile(r"http://\S+/#ticket=\S+")
REFUSED = r"status of 401"


async def test_the_printed_link_signs_in_once_and_leaves_no_ticket_behind(
    desk: Desk, tmp_path: Path
) -> None:
    with run_hub(tmp_path) as hub, hub.client() as admin:
        await until(lambda: LINK.search("".join(hub.output)))
        link = LINK.findall("".join(hub.output))[0]
        window = await open_window(desk.chromium, admin, hub.address)
        desk.windows.append(window)
        page = window.page
        await page.goto(link)
        await expect(page.get_by_role("heading", name="Design Review", level=1)).to_be_visible()
        await expect(page.locator("#me")).to_contain_text("@admin")
        assert "ticket" not in page.url
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_role("alert")).to_have_text("You are logged out.")
        assert await page.evaluate("localStorage.length === 0")
        window.forgive(REFUSED)
        await page.goto(link)
        await expect(page.get_by_role("alert")).to_contain_text("was used before or has expired")
        await page.goto("about:blank")


async def test_a_key_signs_in_and_a_wrong_one_says_so(desk: Desk) -> None:
    ann = desk.person("ann")
    window = await desk.window(ann)
    window.forgive(REFUSED)
    page = window.page
    await page.goto(window.address)
    field = page.get_by_label("API key")
    await field.fill("rhk_nobody")
    await field.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("not accepted")
    await field.fill(ann.key)
    await field.press("Enter")
    await expect(page.get_by_text("Nothing here yet")).to_be_visible()
    assert ann.key not in page.url


async def test_a_key_that_only_reads_is_told_what_is_missing(desk: Desk) -> None:
    ann = desk.person("ann")
    made = ann.client.post("/v1/api-keys", json={"name": "screen", "scopes": ["read"]})
    window = await desk.window(ann)
    await window.page.goto(window.address)
    field = window.page.get_by_label("API key")
    await field.fill(made.raise_for_status().json()["data"]["key"])
    await field.press("Enter")
    await expect(window.page.get_by_role("alert")).to_contain_text("may only read")


async def test_a_revoked_key_leads_back_to_the_sign_in(desk: Desk) -> None:
    ann = desk.person("ann")
    room_id = desk.room(ann)
    window = await desk.window(ann)
    window.forgive(REFUSED)
    await window.page.goto(window.address)
    await window.page.get_by_label("API key").fill(ann.key)
    await window.page.get_by_label("API key").press("Enter")
    await window.open(room_id)
    with desk.hub.client() as admin:
        admin.delete(f"/v1/api-keys/{ann.key_id}").raise_for_status()
    await expect(window.page.locator("#stopped, #login-problem:visible").first).to_be_visible()
    await window.page.reload()
    await expect(window.page.get_by_role("alert")).to_contain_text("sign in again")
