"""A long room: it opens at its end, and goes back to its beginning as one scrolls."""

from __future__ import annotations

from typing import Final

from playwright.async_api import expect

from tests.browser.desk import Desk, post
from tests.browser.windows import Window
from tests.e2e.people import Person

COUNT: Final = 130


async def test_scrolling_back_brings_the_whole_history_and_does_not_move_what_is_read(
    desk: Desk,
) -> None:
    ann = desk.person("ann")
    room_id = desk.room(ann)
    texts = [f"Message {n}." for n in range(COUNT)]
    post(ann, room_id, *texts)
    window = await (await desk.window(ann)).enter(room_id)
    await window.shows(*texts[-50:])
    await expect(window.messages().last).to_be_in_viewport()
    await window.page.locator("#log").hover()
    for loaded in (100, 130):
        first = await window.messages().first.inner_text()
        await window.page.mouse.wheel(0, -20_000)
        await expect(window.messages()).to_have_count(loaded)
        await expect(window.page.get_by_text(first, exact=True)).to_be_in_viewport()
    await window.shows(*texts)
    await window.page.mouse.wheel(0, -20_000)
    await expect(window.page.locator(".intro")).to_be_in_viewport()


async def at_the_end(desk: Desk) -> tuple[Window, Person, str]:
    """A reader at the end of forty messages, somebody else in the room, and the room."""
    ann, ben = desk.person("ann"), desk.person("ben")
    room_id = desk.room(ann, ben.id)
    post(ann, room_id, *(f"Message {n}." for n in range(40)))
    window = await (await desk.window(ann)).enter(room_id)
    await expect(window.messages()).to_have_count(40)
    return window, ben, room_id


async def test_a_reader_above_is_told_of_new_messages_and_not_moved(desk: Desk) -> None:
    window, ben, room_id = await at_the_end(desk)
    log = window.page.locator("#log")
    await log.evaluate("(node) => { node.scrollTop = 100 }")
    pill = window.page.locator("#pill")
    await expect(pill).to_be_hidden()
    post(ben, room_id, "News.")
    await expect(pill).to_have_text("1 new message")
    assert 100 == await log.evaluate("(node) => node.scrollTop")
    await pill.click()
    await expect(window.messages().last).to_be_in_viewport()
    await expect(pill).to_be_hidden()


async def test_who_has_just_scrolled_up_is_not_moved_by_what_comes_before_the_page_knows(
    desk: Desk,
) -> None:
    """A browser tells of scrolling a frame later, here never."""
    window, ben, room_id = await at_the_end(desk)
    log = window.page.locator("#log")
    await window.page.evaluate(
        "window.addEventListener('scroll', (event) => event.stopPropagation(), true)"
    )
    await log.evaluate("(node) => { node.scrollTop = 100 }")
    post(ben, room_id, "News.")
    await expect(window.page.locator("#pill")).to_have_text("1 new message")
    assert 100 == await log.evaluate("(node) => node.scrollTop")
