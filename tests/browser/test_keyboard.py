"""Everything can be done without a mouse, and says what it is to those who do not see it."""

from __future__ import annotations

from playwright.async_api import Locator, Route, expect

from tests.browser.audit import focused
from tests.browser.desk import Desk, post
from tests.browser.windows import Window


async def test_tab_goes_through_the_page_in_reading_order_and_is_seen(desk: Desk) -> None:
    ann = desk.person("ann")
    room_id = desk.room(ann, name="Quiet corner")
    post(ann, room_id, "Hello.")
    window = await (await desk.window(ann)).enter(room_id)
    page = window.page
    await window.composer.fill("x")
    stops = [
        page.get_by_role("button", name="New room"),
        page.get_by_role("link", name="Quiet corner"),
        page.get_by_role("button", name="New session"),
        page.get_by_role("button", name="Log out"),
        page.get_by_role("button", name="Members, 1"),
        page.get_by_role("log", name="Messages"),
        page.get_by_role("button", name="Reply in thread"),
        page.get_by_role("button", name="React with a thumbs up"),
        page.get_by_role("button", name="Edit message"),
        page.get_by_role("button", name="Delete message"),
        page.get_by_role("textbox", name="Message Quiet corner"),
        page.get_by_role("button", name="Send"),
    ]
    await stops[0].focus()
    for at, stop in enumerate(stops):
        if at:
            await page.keyboard.press("Tab")
        await expect(stop).to_be_focused()
        assert (await focused(page))["ringed"], stop
    await page.keyboard.press("Shift+Tab")
    await expect(window.composer).to_be_focused()


async def test_enter_sends_and_shift_enter_breaks_the_line(desk: Desk) -> None:
    window, _ = await at_the_composer(desk)
    keyboard = window.page.keyboard
    await keyboard.type("One")
    await keyboard.press("Shift+Enter")
    await keyboard.type("two")
    await expect(window.composer).to_have_value("One\ntwo")
    await keyboard.press("Enter")
    await expect(window.composer).to_have_value("")
    await window.shows("One two")
    await keyboard.press("Enter")
    await window.settled()
    await window.shows("One two")


async def test_an_at_sign_offers_members_to_arrows_enter_and_escape(desk: Desk) -> None:
    window, _ = await at_the_composer(desk, "ben", "bertha")
    page, keyboard = window.page, window.page.keyboard
    offers = page.get_by_role("listbox", name="Members").get_by_role("option")
    await keyboard.type("Hi @be")
    await expect(offers).to_have_count(2)
    await keyboard.press("ArrowDown")
    chosen = offers.nth(1)
    await expect(chosen).to_have_attribute("aria-selected", "true")
    shown = await chosen.get_attribute("id")
    await expect(window.composer).to_have_attribute("aria-activedescendant", shown or "")
    handle = str(await chosen.locator(".faint").inner_text())
    await keyboard.press("Enter")
    await expect(window.composer).to_have_value(f"Hi {handle} ")
    await keyboard.type("and @")
    await expect(offers).to_have_count(2)
    await keyboard.press("Escape")
    await expect(offers.first).to_be_hidden()
    await expect(window.composer).to_have_value(f"Hi {handle} and @")
    await keyboard.press("Enter")
    await window.shows(f"Hi {handle} and @")
    await expect(page.locator("#log .mention")).to_have_text(handle)


async def test_a_thread_is_answered_by_keys_alone(desk: Desk) -> None:
    window, _ = await at_the_composer(desk)
    page, keyboard = window.page, window.page.keyboard
    await keyboard.type("A root")
    await keyboard.press("Enter")
    await window.settled()
    await page.get_by_role("log").focus()
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    reply = page.get_by_role("textbox", name="Reply to Ann")
    await expect(reply).to_be_focused()
    await keyboard.type("A reply")
    await keyboard.press("Enter")
    await window.shows("A root", "A reply")
    await expect(reply).to_be_focused()
    await keyboard.press("Escape")
    start = page.get_by_role("region", name="Thread").locator(".reply-start")
    await expect(start).to_be_focused()
    toggle = page.get_by_role("button", name="1 reply")
    await expect(toggle).to_have_attribute("aria-expanded", "true")
    await toggle.press("Enter")
    await expect(toggle).to_have_attribute("aria-expanded", "false")
    await window.shows("A root")


async def test_a_dialog_takes_the_focus_and_gives_it_back(desk: Desk) -> None:
    window, _ = await at_the_composer(desk)
    page, keyboard = window.page, window.page.keyboard
    opener = page.get_by_role("button", name="New room")
    await opener.press("Enter")
    dialog = page.get_by_role("dialog", name="New room")
    await expect(dialog.get_by_role("textbox", name="Name")).to_be_focused()
    await keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(opener).to_be_focused()
    await keyboard.press("Enter")
    await keyboard.type("Made by keys")
    await keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Made by keys", level=1)).to_be_visible()
    await expect(page.get_by_role("link", name="Made by keys")).to_have_attribute(
        "aria-current", "page"
    )
    await expect(page.get_by_role("textbox", name="Message Made by keys")).to_be_focused()


async def test_members_open_as_a_panel_and_escape_closes_it(desk: Desk) -> None:
    window, _ = await at_the_composer(desk, "ben")
    page = window.page
    opener = page.get_by_role("button", name="Members, 2")
    await opener.press("Enter")
    await expect(opener).to_have_attribute("aria-expanded", "true")
    panel = page.get_by_role("complementary", name="Members")
    await expect(panel.get_by_role("listitem").filter(has_text="Ben")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(opener).to_be_focused()


async def test_a_session_is_begun_and_a_person_asked_for_by_keys_alone(desk: Desk) -> None:
    window, _ = await at_the_composer(desk)
    page, keyboard = window.page, window.page.keyboard
    await page.get_by_role("button", name="New session").press("Enter")
    model = page.get_by_role("dialog").get_by_role("combobox", name="Model")
    await expect(model).to_be_focused()
    await named(page.get_by_role("dialog"))
    await keyboard.type("builtin/echo")
    await expect(model).to_have_value("builtin/echo")
    await page.get_by_role("button", name="Begin").press("Enter")
    await expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    await keyboard.type("Hello")
    await keyboard.press("Enter")
    await window.shows("Hello", "Hello")
    opener = page.get_by_role("button", name="Session details")
    await opener.press("Enter")
    await named(page.locator("body"))
    drawer = page.get_by_role("complementary", name="Session")
    call = drawer.get_by_role("button", name="Talk to a person")

    async def overtaken(route: Route) -> None:
        answer = await route.fetch()
        await expect(call).to_have_count(0)  # the event is here before the answer
        await route.fulfill(response=answer)

    await page.route("**/escalate", overtaken)
    await call.press("Enter")
    await expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_focused()
    await keyboard.press("Tab")
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    await expect(page.locator("#strip").get_by_role("status")).to_contain_text("asked for")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.keyboard.press("Escape")
    await expect(drawer).to_be_hidden()
    await expect(opener).to_be_focused()


async def test_every_control_has_a_name(desk: Desk) -> None:
    window, _ = await at_the_composer(desk, "ben")
    await window.say("Hello.")
    await window.settled()
    await window.page.get_by_role("button", name="Members, 2").click()
    await named(window.page.locator("body"))
    await window.page.get_by_role("button", name="New room").click()
    await named(window.page.get_by_role("dialog"))


async def named(place: Locator) -> None:
    """No button, link or field of the place is without an accessible name."""
    for role in ("button", "link", "textbox", "checkbox", "searchbox", "combobox", "option"):
        nameless = place.get_by_role(role, name="", exact=True)
        await expect(nameless).to_have_count(0)


async def at_the_composer(desk: Desk, *others: str) -> tuple[Window, str]:
    """Ann's window in a room with these others, ready to write."""
    ann = desk.person("ann")
    room_id = desk.room(ann, *(desk.person(name).id for name in others))
    window = await (await desk.window(ann)).enter(room_id)
    await expect(window.composer).to_be_focused()
    return window, room_id
