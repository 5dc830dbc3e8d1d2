"""Sessions as their user has them: begun, answered live, changed, closed, kept, made a room."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.async_api import expect

from tests.browser.desk import Desk
from tests.browser.test_inert import HOSTILE, is_inert
from tests.browser.voice import SLUG, Voice
from tests.browser.windows import Window
from tests.e2e.people import Person


async def test_a_session_is_begun_answered_live_and_gets_its_title(
    desk: Desk, voice: Voice
) -> None:
    ann = desk.person("ann")
    window = await (await desk.window(ann)).enter(desk.room(ann))
    page = window.page
    await page.get_by_role("button", name="New session").click()
    dialog = page.get_by_role("dialog", name="New session")
    await dialog.get_by_label("Model", exact=True).select_option(SLUG)
    await dialog.get_by_label("Instructions").fill("You are a poet.")
    await dialog.get_by_role("button", name="Begin").click()
    await expect(page.locator("#strip-words")).to_have_text(f"{SLUG} answers here.")
    await expect(page.locator(".intro")).to_contain_text("You are a poet.")
    await window.say("Sing of the sea")
    voice.say("The waves")
    await expect(page.locator(".streaming .row-body")).to_have_text("The waves")
    voice.say(" roll in.")
    voice.end()
    await window.shows("Sing of the sea", "The waves roll in.")
    voice.say("Of waves")
    voice.end()
    await expect(page.get_by_role("heading", name="Of waves", level=1)).to_be_visible()
    link = page.get_by_role("list", name="Sessions").get_by_role("link", name="Of waves")
    await expect(link).to_have_attribute("aria-current", "page")


async def test_a_reply_is_stopped_written_anew_and_its_question_edited(
    desk: Desk, voice: Voice
) -> None:
    ann = desk.person("ann")
    window = await open_session(desk, ann, title="Songs")  # its title is not asked of the voice
    page = window.page
    await window.say("Sing")
    voice.say("Half a")
    await window.shows("Sing", "Half a")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.locator("#log .row-head").last).to_contain_text("stopped")
    voice.forget()
    await page.get_by_role("button", name="Answer again").click()
    await expect(page.locator(".replaced")).to_have_count(1)
    voice.say("A whole song.")
    voice.end()
    await window.shows("Sing", "A whole song.")
    await page.get_by_role("button", name="Edit and ask again").click()
    dialog = page.get_by_role("dialog", name="Edit message")
    await dialog.get_by_label("Message").fill("Sing louder")
    await dialog.get_by_role("button", name="Ask again").click()
    voice.say("LA!")
    voice.end()
    await window.shows("Sing louder", "LA!")
    await window.reload()
    await window.shows("Sing louder", "LA!")


async def test_a_session_is_named_closed_opened_again_saved_and_deleted(
    desk: Desk, tmp_path: Path
) -> None:
    ann = desk.person("ann")
    window = await open_session(desk, ann, model="builtin/echo", title="Plans")
    page = window.page
    await window.say("One")
    await window.shows("One", "One")
    await page.get_by_role("button", name="Session details").click()
    details = page.get_by_role("complementary", name="Session")
    await details.get_by_role("button", name="Title and instructions").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Title").fill("Better plans")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="Better plans", level=1)).to_be_visible()
    for form, name in (("md", "Markdown"), ("json", "JSON")):
        path = tmp_path / form
        async with page.expect_download() as saving:
            await details.get_by_role("button", name=f"Save as {name}").click()
        saved = await saving.value
        assert f"Better plans.{form}" == saved.suggested_filename
        await saved.save_as(path)
    assert "# Better plans" in (tmp_path / "md").read_text()
    assert 2 == len(json.loads((tmp_path / "json").read_text())["messages"])
    await details.get_by_role("button", name="Close session", exact=True).click()
    await expect(page.locator(".no-post")).to_contain_text("closed")
    await page.locator("#strip").get_by_role("button", name="Open again").click()
    await window.say("Two")
    await window.shows("One", "One", "Two", "Two")
    await details.get_by_role("button", name="Delete session").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("list", name="Sessions").get_by_role("link")).to_have_count(0)
    assert [] == ann.client.get("/v1/sessions").json()["data"]["items"]


async def test_a_session_goes_on_as_a_room(desk: Desk) -> None:
    ann = desk.person("ann")
    window = await open_session(desk, ann, model="builtin/echo", title="Plans")
    page = window.page
    await window.say("One")
    await window.shows("One", "One")
    await page.get_by_role("button", name="Session details").click()
    await page.get_by_role("button", name="Make it a room").click()
    dialog = page.get_by_role("dialog", name="Make it a room")
    await dialog.get_by_label("Name", exact=True).fill("Together")
    await dialog.get_by_role("button", name="Make room").click()
    await expect(page.get_by_role("heading", name="Together", level=1)).to_be_visible()
    await expect(page.locator("#log-list")).to_have_attribute("data-room", re.compile("^room_"))
    await expect(page.get_by_role("list", name="Sessions").get_by_role("link")).to_have_count(0)
    await window.shows("One", "One")


async def test_markup_in_a_session_is_text_wherever_it_stands(desk: Desk) -> None:
    ann = desk.person("ann")
    fields = {"model": "builtin/echo", "title": HOSTILE[0], "system_prompt": HOSTILE[1]}
    session_id = desk.session(ann, **fields)
    window = await (await desk.window(ann)).enter(session_id)
    await window.say(HOSTILE[1])
    await window.shows(HOSTILE[1], HOSTILE[1])
    asked = {"message": HOSTILE[2]}
    ann.client.post(f"/v1/sessions/{session_id}/escalate", json=asked).raise_for_status()
    await window.page.get_by_role("button", name="Session details").click()
    for place, text in (
        ("#room-name", HOSTILE[0]),
        ("#sessions .room-label", HOSTILE[0]),
        (".intro h2", HOSTILE[0]),
        ("#details-facts dd >> nth=-1", HOSTILE[1]),
    ):
        await expect(window.page.locator(place)).to_have_text(text)
    await is_inert(window)


async def open_session(desk: Desk, person: Person, **fields: str) -> Window:
    return await (await desk.window(person)).enter(desk.session(person, **fields))
