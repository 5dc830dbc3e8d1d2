"""A person answers in a model's place: asked for, waiting in the queue, taken over, handed back."""

from __future__ import annotations

from playwright.async_api import Locator, Route, expect

from tests.browser.desk import Desk
from tests.browser.windows import Window
from tests.e2e.people import named


async def test_a_person_is_asked_for_answers_and_hands_back(desk: Desk) -> None:
    title, user, helper = await user_and_helper(desk)
    await user.say("Hello")
    await user.shows("Hello", "Hello")
    await user.page.get_by_role("button", name="Talk to a person").click()
    dialog = user.page.get_by_role("dialog", name="Talk to a person")
    await dialog.get_by_label("Message").fill("It is <b>broken</b>")
    await dialog.get_by_role("button", name="Ask for a person").click()
    await expect(words(user)).to_contain_text("A person was asked for.")
    waiting = helper.page.get_by_role("list", name="Waiting for a person")
    mine = waiting.get_by_role("link", name=title)
    await mine.click()
    await helper.shows("Hello", "Hello")
    await expect(words(helper)).to_have_text("Waits for a person: “It is <b>broken</b>”")
    await expect(helper.page.locator(".no-post")).to_contain_text("reading along")
    await helper.page.get_by_role("button", name="Take over").click()
    await expect(words(user)).to_contain_text("Chief, a person, answers here")
    await expect(mine).to_have_count(0)
    answering = helper.page.get_by_role("list", name="You answer").get_by_role("link")
    await expect(answering).to_have_attribute("aria-current", "page")
    await helper.reload()
    await expect(answering).to_have_attribute("aria-current", "page")
    await user.say("Is anybody there?")
    await helper.shows("Hello", "Hello", "Is anybody there?")
    await helper.say("I am here.")
    await user.shows("Hello", "Hello", "Is anybody there?", "I am here.")
    await expect(user.page.locator("#log .badge.helper")).to_have_text("person")
    await expect(user.page.get_by_role("button", name="Answer again")).to_have_count(0)
    await helper.page.get_by_role("button", name="Hand back").click()
    back = helper.page.get_by_role("dialog", name="Hand back")
    await back.get_by_label("Note").fill("Mended.")
    await back.get_by_role("button", name="Hand back").click()
    await expect(words(user)).to_have_text("builtin/echo answers here.")
    await expect(answering).to_have_count(0)
    await expect(helper.page.locator(".no-post")).to_contain_text("reading along")
    await user.say("Thanks")
    said = ("Hello", "Hello", "Is anybody there?", "I am here.", "Thanks", "Thanks")
    for window in (user, helper):
        await window.shows(*said)
        back_note = window.page.locator("#log .note").last
        await expect(back_note).to_contain_text("Chief handed back: builtin/echo answers again")
    await expect(user.page.locator("#log .note").nth(-2)).to_contain_text("Chief took over")


async def test_of_two_who_take_a_session_one_is_told_who_has_it(desk: Desk) -> None:
    _, user, helper = await user_and_helper(desk)
    session_id = str(await user.page.locator("#log-list").get_attribute("data-room"))
    await helper.open(session_id)
    rival = desk.person("rival", "tenant_admin")
    take = helper.page.get_by_role("button", name="Take over")
    await expect(take).to_be_visible()
    path = f"/v1/sessions/{session_id}/takeover"

    async def late(route: Route) -> None:
        rival.client.post(path).raise_for_status()
        await route.continue_()

    await helper.page.route("**/takeover", late)
    await take.click()
    helper.forgive("409")
    await expect(helper.page.locator(".toast")).to_have_text(
        "Rival has taken this session over already."
    )
    await expect(words(helper)).to_contain_text("Rival, a person, answers here")
    await expect(take).to_have_count(0)


def words(window: Window) -> Locator:
    """Who answers, as the window says it."""
    return window.page.get_by_role("main").locator("#strip").get_by_role("status")


async def user_and_helper(desk: Desk) -> tuple[str, Window, Window]:
    """The title of a session of Ann's, her window on it, and that of an admin who is elsewhere."""
    ann, chief = desk.person("ann"), desk.person("chief", "tenant_admin")
    title = named("Broken")
    session_id = desk.session(ann, model="builtin/echo", title=title)
    helper = await (await desk.window(chief)).enter(desk.room(chief))
    user = await (await desk.window(ann)).enter(session_id)
    return title, user, helper
