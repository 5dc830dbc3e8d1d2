"""What people write is text: nothing of it becomes markup, runs, or leads out of the web."""

from __future__ import annotations

from typing import Final

from playwright.async_api import expect

from tests.browser.desk import Desk, post
from tests.browser.windows import Window

HOSTILE: Final = (
    "<script>window.ran = 1</script>",
    '<img src=x onerror="window.ran = 1">',
    "<svg onload='window.ran = 1'><a href=\"javascript:window.ran=1\">x</a></svg>",
    "[click me](javascript:window.ran=1) and javascript:window.ran=1",
    '<a href="https://example.com" onclick="window.ran=1">x</a>',
    "data:text/html,<script>window.ran=1</script>",
    "&lt;b&gt;&amp;amp; </p></div></body>",
    'https://example.com/" onmouseover="window.ran=1" x="',
    "{{constructor.constructor('window.ran=1')()}} ${window.ran=1}",
)
NAME: Final = "<img src=x onerror=window.ran=1> Eve"
FOREIGN: Final = ":is(script, img, iframe, object, embed, style, link, form, input, base, meta)"


async def test_markup_in_a_message_is_shown_as_it_was_written(desk: Desk) -> None:
    ann = desk.person("ann")
    room_id = desk.room(ann)
    post(ann, room_id, *HOSTILE, f"```html\n{HOSTILE[0]}\n```", f"`{HOSTILE[1]}`")
    window = await (await desk.window(ann)).enter(room_id)
    for text in HOSTILE:
        await window.say(text)
    await window.settled()
    await window.shows(*HOSTILE, *HOSTILE[:2], *HOSTILE)
    await is_inert(window)


async def test_only_web_addresses_become_links_and_they_open_elsewhere(desk: Desk) -> None:
    ann = desk.person("ann")
    room_id = desk.room(ann)
    post(ann, room_id, "See (https://example.com/a_(b)), http://x.example/?q=<1>.", *HOSTILE)
    window = await (await desk.window(ann)).enter(room_id)
    await expect(window.messages()).to_have_count(1 + len(HOSTILE))
    links = window.page.locator("#log a")
    found = await links.evaluate_all("(nodes) => nodes.map((a) => [a.href, a.target, a.rel])")
    assert ["https://example.com/a_(b)", "_blank", "noopener noreferrer"] == found[0]
    assert {"https", "http"} == {href.split(":")[0] for href, _, _ in found}


async def test_markup_in_names_of_people_and_rooms_is_text_wherever_they_stand(desk: Desk) -> None:
    ann, eve = desk.person("ann"), desk.person("eve")
    with desk.hub.client() as admin:
        admin.patch(f"/v1/participants/{eve.id}", json={"name": NAME}).raise_for_status()
    room_id = desk.room(ann, eve.id, name=HOSTILE[0], description=HOSTILE[1])
    post(eve, room_id, "Hello")
    window = await (await desk.window(ann)).enter(room_id)
    await window.page.locator("#open-members").click()
    await window.composer.fill("@eve")
    for place, text in (
        ("#room-name", HOSTILE[0]),
        ("#room-about", HOSTILE[1]),
        ("#rooms a .room-label", HOSTILE[0]),
        (".intro h2", HOSTILE[0]),
        (".row-name", NAME),
        (".offer-name", NAME),
    ):
        await expect(window.page.locator(place)).to_have_text(text)
    await expect(window.page.locator("#member-list strong").filter(has_text=NAME)).to_have_count(1)
    await is_inert(window)


async def is_inert(window: Window) -> None:
    """Nothing ran, nothing foreign is on the page, no attribute of the text took hold."""
    page = window.page
    assert await page.evaluate("window.ran === undefined")
    for place in ("#log", "#sidebar .rooms-scroll", "#members .member-list", ".title", ".offers"):
        await expect(page.locator(f"{place} {FOREIGN}")).to_have_count(0)
    assert [] == await page.evaluate(
        "[...document.querySelectorAll('#chat *')].flatMap((node) => node.getAttributeNames())"
        ".filter((name) => name.startsWith('on'))"
    )
