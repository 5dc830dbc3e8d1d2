"""The page in both schemes and on a phone: readable, and never wider than the screen."""

from __future__ import annotations

from typing import Any, Final

import pytest
from playwright.async_api import expect

from tests.browser.audit import poor_contrast, sideways
from tests.browser.desk import Desk, post
from tests.browser.voice import Voice
from tests.e2e.people import named

PHONE: Final[dict[str, Any]] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
}
GROUNDS: Final = {"light": "rgb(244, 244, 241)", "dark": "rgb(21, 23, 28)"}
WIDE: Final = (
    "w" * 300,
    "https://example.com/" + "a-very-long-path/" * 20,
    "```python\n" + "x = 1  # " + "long " * 60 + "\n```",
    "1. " + "word " * 80 + "\n2. `" + "c" * 120 + "`",
)


@pytest.mark.parametrize("scheme", GROUNDS)
async def test_every_text_can_be_read_in_both_schemes(
    desk: Desk, voice: Voice, scheme: str
) -> None:
    ann, ben = desk.person("ann"), desk.person("ben")
    persona, handle = desk.persona()
    room_id = desk.room(ann, ben.id, persona, description="All that a room can show.")
    [root, *_] = post(
        ben, room_id, "Look: https://example.com", "`code` and **bold**\n- one\n- two",
        "```py\nx = 1\n```",
    )  # fmt: skip
    path = f"/v1/rooms/{room_id}/messages/{root}/reply"
    ann.client.post(path, json={"content": "Folded away."}).raise_for_status()
    other = desk.room(ann, ben.id, name="Elsewhere")
    window = await desk.window(ann, color_scheme=scheme, reduced_motion="reduce")
    page = window.page
    await page.goto(window.address)
    await expect(page.get_by_label("API key")).to_be_enabled()
    assert GROUNDS[scheme] == await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert [] == await poor_contrast(page)
    await window.enter(room_id)
    called = {"content": "You?", "mention": [{"type": "user", "id": ann.id}]}
    ben.client.post(f"/v1/rooms/{other}/messages", json=called).raise_for_status()
    voice.say("A streamed line")
    await window.say(f"@{handle} sing")
    await expect(page.locator(".streaming")).to_contain_text("streamed")
    await page.get_by_role("button", name="Members, 3").click()
    await expect(page.locator(".news .called")).to_be_visible()
    assert [] == await poor_contrast(page)
    await window.composer.fill("@")
    assert [] == await poor_contrast(page)
    await page.get_by_role("button", name="New room").click()
    assert [] == await poor_contrast(page)
    voice.end()


@pytest.mark.parametrize("scheme", GROUNDS)
async def test_every_text_of_a_session_can_be_read_in_both_schemes(desk: Desk, scheme: str) -> None:
    chief, ann = desk.person("chief", "tenant_admin"), desk.person("ann")
    title = named("Waiting")
    sessions = [
        desk.session(ann, model="builtin/echo", system_prompt="Be brief.", title=title)
        for title in ("Taken", title)
    ]
    desk.session(chief, title="Mine")
    taken, waiting = (f"/v1/sessions/{each}" for each in sessions)
    ann.client.post(f"{waiting}/escalate").raise_for_status()
    chief.client.post(f"{taken}/takeover").raise_for_status()
    chief.client.post(f"{taken}/messages", json={"content": "Here."}).raise_for_status()
    options: dict[str, Any] = {"color_scheme": scheme, "reduced_motion": "reduce"}
    window = await (await desk.window(chief, **options)).enter(sessions[0])
    page = window.page
    await expect(page.locator("#log .badge.helper")).to_be_visible()
    await page.get_by_role("button", name="Session details").click()
    assert [] == await poor_contrast(page)
    await page.get_by_role("list", name="Waiting").get_by_role("link", name=title).click()
    await expect(page.locator("#strip")).to_contain_text("Waits for a person")
    assert [] == await poor_contrast(page)
    await page.get_by_role("button", name="New session").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert [] == await poor_contrast(page)


async def test_a_phone_never_scrolls_sideways(desk: Desk) -> None:
    ann = desk.person("ann")
    room_id = desk.room(ann, name="Name " * 30, description="About " * 100)
    post(ann, room_id, *WIDE)
    window = await (await desk.window(ann, **PHONE)).enter(room_id)
    await expect(window.messages()).to_have_count(len(WIDE))
    assert [] == await sideways(window.page)
    for name in ("Rooms", "Members, 1"):
        await window.page.get_by_role("button", name=name, exact=True).tap()
        await expect(window.page.locator("#scrim")).to_be_visible()
        assert [] == await sideways(window.page)
        await window.page.keyboard.press("Escape")


async def test_a_session_on_a_phone_never_scrolls_sideways(desk: Desk) -> None:
    ann = desk.person("ann")
    session_id = desk.session(ann, model="builtin/echo", title="T" * 200, system_prompt="p" * 900)
    window = await (await desk.window(ann, **PHONE)).enter(session_id)
    await window.say(WIDE[0])
    await window.shows(WIDE[0], WIDE[0])
    page = window.page
    assert [] == await sideways(page)
    for name in ("Rooms", "Session details"):
        await page.get_by_role("button", name=name, exact=True).tap()
        await expect(page.locator("#scrim")).to_be_visible()
        assert [] == await sideways(page)
        await page.keyboard.press("Escape")


async def test_a_phone_has_its_rooms_in_a_drawer(desk: Desk) -> None:
    ann, ben = desk.person("ann"), desk.person("ben")
    first, second = desk.room(ann, name="First"), desk.room(ann, ben.id, name="Second")
    post(ben, second, "Look in the drawer.")
    window = await (await desk.window(ann, **PHONE)).enter(first)
    page = window.page
    rooms = page.get_by_role("navigation", name="Rooms")
    await expect(rooms).to_be_hidden()
    await page.get_by_role("button", name="Rooms, 1 unread").tap()
    await expect(rooms).to_be_visible()
    await rooms.get_by_role("link", name="Second").tap()
    await expect(page.locator("#log-list")).to_have_attribute("data-room", second)
    await expect(rooms).to_be_hidden()
    await expect(page.get_by_role("button", name="Rooms", exact=True)).to_be_visible()
    await window.say("From a phone.")
    await window.shows("Look in the drawer.", "From a phone.")
