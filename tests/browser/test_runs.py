"""Replies of AI participants as people meet them: stopped, tried again, held back, asked about."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.desk import Desk, stored, until
from tests.browser.test_live import two_windows
from tests.browser.voice import Voice


async def test_anybody_stops_a_reply_and_lets_it_be_tried_again(desk: Desk, voice: Voice) -> None:
    persona, handle = desk.persona()
    room_id, one, other = await two_windows(desk, persona)
    await one.say(f"@{handle} sing")
    voice.say("Half a")
    await other.shows(f"@{handle} sing", "Half a")
    await other.page.get_by_role("button", name="Stop Poet").click()
    for window in (one, other):
        await expect(window.page.locator(".thread .message .row-head")).to_contain_text("stopped")
        await expect(window.page.locator(".streaming")).to_have_count(0)
    assert [("Half a", "cancelled")] == [
        (m["content"], m["status"]) for m in stored(desk.people[0], room_id) if m["thread_id"]
    ]
    voice.forget()
    voice.say("The whole song.")
    await one.page.get_by_role("button", name="Let Poet try again").click()
    voice.end()
    for window in (one, other):
        await window.shows(f"@{handle} sing", "This message was deleted.", "The whole song.")


async def test_a_reply_that_is_stopped_before_its_first_word_is_told_and_tried_again(
    desk: Desk, voice: Voice
) -> None:
    persona, handle = desk.persona()
    _, one, other = await two_windows(desk, persona)
    await one.say(f"@{handle} sing")
    await expect(other.page.locator(".thinking-row")).to_contain_text("Poet is thinking")
    await one.page.get_by_role("button", name="Stop Poet").click()
    for window in (one, other):
        await expect(window.page.locator(".thread .note")).to_contain_text("Poet was stopped.")
    voice.forget()
    voice.say("Now.")
    await other.page.locator(".thread .note").get_by_role("button", name="Try again").click()
    voice.end()
    for window in (one, other):
        await window.shows(f"@{handle} sing", "Now.")
        await expect(window.page.get_by_role("button", name="Try again")).to_have_count(0)


async def test_who_is_held_back_says_why_once_and_a_person_lets_it_run(
    desk: Desk, voice: Voice
) -> None:
    persona, handle = desk.persona()
    room_id, one, other = await two_windows(desk, persona)
    room = f"/v1/rooms/{room_id}"
    owner = desk.people[0].client
    owner.patch(room, json={"settings": {"paused": True}}).raise_for_status()
    await other.say(f"@{handle} sing")
    note = one.page.locator(".thread .note")
    await expect(note).to_contain_text("Poet did not reply: the room is paused")
    await note.get_by_role("button", name="Try again").click()
    await expect(one.page.locator(".toast")).to_contain_text("the room is paused")
    one.forgive("409", r"/retry")
    owner.patch(room, json={"settings": {"paused": False}}).raise_for_status()
    voice.say("At last.")
    await note.get_by_role("button", name="Try again").click()
    voice.end()
    await one.shows(f"@{handle} sing", "At last.")
    await until(lambda: 2 == len(stored(desk.people[0], room_id)))


async def test_a_budget_that_is_nearly_spent_is_told_in_the_room_once(
    desk: Desk, voice: Voice
) -> None:
    persona, handle = desk.persona()
    room_id, one, other = await two_windows(desk, persona)
    settings = {"settings": {"budget": {"runs": 1}}}
    desk.people[0].client.patch(f"/v1/rooms/{room_id}", json=settings).raise_for_status()
    await one.say(f"@{handle} sing")
    voice.say("La.")
    voice.end()
    await other.shows(f"@{handle} sing", "La.")
    for window in (one, other):
        told = window.page.locator(".note", has_text="1 of the room's 1 runs for today are used.")
        await expect(told).to_have_count(1, timeout=5_000)


async def test_a_reply_takes_the_place_of_its_run_before_that_is_told_to_have_ended(
    desk: Desk, voice: Voice
) -> None:
    persona, handle = desk.persona()
    ann = desk.person("ann")
    window = await desk.window(ann)
    release = await window.hold_back("run.finished")
    await window.enter(desk.room(ann, persona))
    await window.say(f"@{handle} sing")
    await expect(window.page.locator(".thinking-row")).to_contain_text("Poet is thinking")
    voice.say("La.")
    voice.end()
    thread = window.page.locator(".thread .message")
    await expect(thread.and_(window.page.locator(":not(.streaming)"))).to_contain_text("La.")
    await expect(thread).to_have_count(1)
    await expect(window.page.locator(".thinking-row, .streaming")).to_have_count(0)
    release()
    await window.say("And another?")
    await window.shows(f"@{handle} sing", "La.", "And another?")


async def test_an_observer_stops_nothing(desk: Desk, voice: Voice) -> None:
    persona, handle = desk.persona()
    room_id, one, other = await two_windows(desk, persona)
    ann, ben = desk.people
    member = f"/v1/rooms/{room_id}/members/{ben.id}"
    ann.client.patch(member, json={"role": "observer"}).raise_for_status()
    await one.say(f"@{handle} sing")
    voice.say("La")
    await expect(one.page.get_by_role("button", name="Stop Poet")).to_have_count(1)
    await other.shows(f"@{handle} sing", "La")
    await expect(other.page.get_by_role("button", name="Stop Poet")).to_have_count(0)
    voice.end()
