"""Messages are edited, reacted to and deleted in one window and seen in the other; who is there."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.desk import Desk, stored
from tests.browser.test_live import two_windows
from tests.browser.windows import Window


async def press(window: Window, name: str) -> None:
    """Press a tool of the first message."""
    row = window.page.locator("#log .message").first
    await row.hover()
    await row.get_by_role("button", name=name).click()


async def test_a_message_is_edited_reacted_to_and_deleted_before_both_windows(desk: Desk) -> None:
    room_id, one, other = await two_windows(desk)
    await one.say("Frist.")
    await other.shows("Frist.")
    await one.settled()
    await press(one, "Edit message")
    field = one.page.get_by_role("textbox", name="Message", exact=True)
    await expect(field).to_have_value("Frist.")
    await field.fill("First.")
    await one.page.get_by_role("button", name="Save").click()
    await other.shows("First.")
    await expect(other.page.locator("#log .row-head")).to_contain_text("edited")
    await press(other, "React with a thumbs up")
    reaction = one.page.locator(".reaction")
    await expect(reaction).to_have_text("👍1")
    await reaction.click()
    await expect(other.page.locator(".reaction")).to_have_text("👍2")
    await other.page.locator(".reaction").click()
    await expect(reaction).to_have_text("👍1")
    await press(one, "Delete message")
    await one.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for window in (one, other):
        await window.shows("This message was deleted.")
        await expect(window.page.locator(".reaction")).to_have_count(0)
    assert [""] == [message["content"] for message in stored(desk.people[0], room_id)]


async def test_ones_own_message_alone_offers_what_its_author_may_do(desk: Desk) -> None:
    _, one, other = await two_windows(desk)
    await other.say("Mine.")
    await one.shows("Mine.")
    await other.settled()
    mine, theirs = (w.page.locator("#log .message .row-tools") for w in (other, one))
    await expect(mine.get_by_role("button")).to_have_count(4)
    await expect(theirs.get_by_role("button", name="Edit message")).to_have_count(0)
    await expect(theirs.get_by_role("button", name="Delete message")).to_have_count(1)


async def test_the_members_panel_shows_who_is_here(desk: Desk) -> None:
    _, one, other = await two_windows(desk)
    await one.page.locator("#open-members").click()
    here = one.page.locator(".member.here")
    await expect(here).to_have_count(2)
    await expect(here.first).to_contain_text("online")
    await other.page.close()
    await expect(here).to_have_count(1)
