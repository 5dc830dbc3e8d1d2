"""What one window does, the other shows, while it happens."""

from __future__ import annotations

from itertools import pairwise

from playwright.async_api import expect

from tests.browser.desk import Desk, post, stored
from tests.browser.voice import Voice
from tests.browser.windows import Window

PIECES = ("Over the", " hills, **far** away,\n", "there is naïve `code` 👩‍👩‍👧", " and no more.")


async def two_windows(desk: Desk, *members: str) -> tuple[str, Window, Window]:
    ann, ben = desk.person("ann"), desk.person("ben")
    room_id = desk.room(ann, ben.id, *members)
    one = await (await desk.window(ann)).enter(room_id)
    other = await (await desk.window(ben)).enter(room_id)
    return room_id, one, other


async def test_two_windows_see_each_others_messages_live(desk: Desk) -> None:
    room_id, one, other = await two_windows(desk)
    await one.say("Hello, Ben.")
    await other.shows("Hello, Ben.")
    await other.say("Hello, Ann.\nTwo lines.")
    await one.say("Three is enough.")
    texts = [message["content"] for message in stored(desk.people[0], room_id)]
    await expect(one.messages()).to_have_count(3)
    for window in (one, other):
        await window.settled()
        await window.shows("Hello, Ben.", "Hello, Ann. Two lines.", "Three is enough.")
    assert (
        texts == [message["content"] for message in stored(desk.people[1], room_id)][: len(texts)]
    )


async def test_a_reply_grows_in_both_windows_and_ends_as_it_is_stored(
    desk: Desk, voice: Voice
) -> None:
    persona, handle = desk.persona()
    room_id, one, other = await two_windows(desk, persona)
    await one.say(f"@{handle} sing")
    said = ""
    for piece in PIECES:
        voice.say(piece)
        said += piece
        for window in (one, other):
            await expect(window.page.locator(".streaming .row-body")).to_have_text(plain(said))
    await one.page.locator(".streaming").evaluate("(row) => { row.mark = 'kept' }")
    voice.end()
    for window in (one, other):
        await expect(window.page.locator(".streaming")).to_have_count(0)
        await window.shows(f"@{handle} sing", plain(said))
    assert [said] == [m["content"] for m in stored(desk.people[0], room_id) if m["thread_id"]]
    final = one.page.locator(".thread .message")
    assert "kept" == await final.evaluate("(row) => row.mark"), "the row was replaced"


async def test_the_builtin_persona_answers_word_by_word(desk: Desk) -> None:
    persona, handle = desk.persona("builtin/eliza")
    room_id, one, other = await two_windows(desk, persona)
    await other.page.evaluate(RECORD_GROWTH)
    await one.say(f"@{handle} I am worried about my checkout, it is slow and it is long.")
    await expect(
        other.page.locator(".thread .message:not(.streaming, .thinking-row)")
    ).to_have_count(1)
    reply = next(m["content"] for m in stored(desk.people[0], room_id) if m["thread_id"])
    grown = await other.page.evaluate("window.grown")
    assert len(grown) > 2
    assert all(later.startswith(earlier) for earlier, later in pairwise([*grown, reply]))
    for window in (one, other):
        await expect(window.page.locator(".thread .message .row-body")).to_have_text(reply)


async def test_a_reload_keeps_everything_and_takes_up_what_is_being_written(
    desk: Desk, voice: Voice
) -> None:
    persona, handle = desk.persona()
    ann = desk.person("ann")
    one = await (await desk.window(ann)).enter(desk.room(ann, persona))
    await one.say("First.")
    await one.say(f"@{handle} sing")
    voice.say("Half a")
    await one.shows("First.", f"@{handle} sing", "Half a")
    await one.reload()
    await one.shows("First.", f"@{handle} sing", "Half a")
    voice.say(" line.")
    voice.end()
    await one.shows("First.", f"@{handle} sing", "Half a line.")


async def test_a_second_tab_is_the_same_session_and_shows_the_same(desk: Desk) -> None:
    room_id, one, other = await two_windows(desk)
    await one.say("From the first tab.")
    tab = await desk.tab(one)
    await tab.page.goto(f"{tab.address}/#room={room_id}")
    await tab.is_live()
    await tab.say("From the second tab.")
    for window in (one, other, tab):
        await window.shows("From the first tab.", "From the second tab.")


async def test_typing_is_shown_and_the_finished_message_is_announced(desk: Desk) -> None:
    _, one, other = await two_windows(desk)
    await expect(other.page.get_by_role("log")).to_have_attribute("aria-live", "off")
    await one.composer.press_sequentially("Wait")
    await expect(other.page.locator("#typing")).to_have_text("Ann is typing…")
    assert "" == await one.page.locator("#typing").inner_text()
    await one.composer.press("Enter")
    await expect(other.page.locator("#typing")).to_have_text("")
    announcer = other.page.locator("#announcer[aria-live=polite]")
    await expect(announcer).to_have_text("Ann: Wait")


async def test_a_removed_member_is_told_and_can_write_no_more(desk: Desk) -> None:
    room_id, one, other = await two_windows(desk)
    ann, ben = desk.people
    post(ann, room_id, "Farewell.")
    await other.shows("Farewell.")
    ann.client.delete(f"/v1/rooms/{room_id}/members/{ben.id}").raise_for_status()
    await expect(other.page.locator("#composer")).to_contain_text("no longer in this room")
    await expect(one.page.locator("#log .note")).to_contain_text("Ben left")


def plain(text: str) -> str:
    """A text as it is read, once bold and code have become bold and code."""
    return " ".join(text.replace("**", "").replace("`", "").split())


RECORD_GROWTH = """
window.grown = [];
new MutationObserver(() => {
  const body = document.querySelector(".streaming .row-body:not(:has(.thinking))");
  const text = body?.innerText.trim();
  if (text && text !== window.grown.at(-1)) window.grown.push(text);
}).observe(document.getElementById("log-list"), { childList: true, subtree: true });
"""
