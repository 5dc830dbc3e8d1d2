"""The network goes away and comes back: what was missed is there, nothing is there twice."""

from __future__ import annotations

from typing import Final

from playwright.async_api import expect

from tests.browser.desk import Desk, flood, post, stored, until
from tests.browser.voice import Voice
from tests.browser.windows import Window

CUT: Final = (r"WebSocket connection to .* failed", r"net::ERR_")
LONG: Final = 1_020


async def reaching(desk: Desk, *members: str) -> tuple[str, Window]:
    """A room of Ann and Ben, and Ann's window, whose network can be cut."""
    ann, ben = desk.person("ann"), desk.person("ben")
    room_id = desk.room(ann, ben.id, *members)
    window = await desk.window(ann, cuttable=True)
    window.forgive(*CUT)
    return room_id, await window.enter(room_id)


async def go_away(desk: Desk, window: Window) -> None:
    desk.proxy.refusing = True
    desk.proxy.cut()
    state = window.page.locator("#link-state")
    await expect(state).to_have_attribute("data-state", "reconnecting")


async def come_back(desk: Desk, window: Window) -> None:
    desk.proxy.refusing = False
    desk.proxy.mute = False
    await window.page.evaluate("dispatchEvent(new Event('online'))")
    await window.is_live()


async def test_what_was_missed_comes_once_and_in_order(desk: Desk, voice: Voice) -> None:
    persona, handle = desk.persona()
    room_id, window = await reaching(desk, persona)
    ann, ben = desk.people
    await window.say("Before.")
    await window.say(f"@{handle} sing")
    voice.say("Half a")
    await window.shows("Before.", f"@{handle} sing", "Half a")
    await go_away(desk, window)
    post(ben, room_id, "Missed one.", "Missed two.")
    voice.say(" line.")
    voice.end()
    await until(lambda: len(stored(ben, room_id)) == 5)
    fetched: list[str] = []
    window.page.on("request", lambda request: fetched.append(request.url))
    await come_back(desk, window)
    await window.shows("Before.", f"@{handle} sing", "Half a line.", "Missed one.", "Missed two.")
    post(ann, room_id, "After.")
    await expect(window.messages().last).to_have_text("After.")
    await expect(window.messages()).to_have_count(6)
    whole_room = f"{window.address}/v1/rooms/{room_id}"
    assert whole_room not in fetched, "the room was read anew and not resumed"


async def test_a_page_that_is_offline_says_so_and_takes_up_where_it_was(desk: Desk) -> None:
    room_id, window = await reaching(desk)
    await window.say("Before.")
    await window.settled()
    await window.page.context.set_offline(True)
    desk.proxy.cut()
    await expect(window.page.locator("#link-state")).to_contain_text("Reconnecting")
    post(desk.people[1], room_id, "Missed.")
    await window.page.context.set_offline(False)
    await window.is_live()
    await window.shows("Before.", "Missed.")


async def test_after_a_gap_too_long_to_replay_the_room_is_read_anew(desk: Desk) -> None:
    room_id, window = await reaching(desk)
    await window.say("Before.")
    await window.settled()
    await go_away(desk, window)
    ben = desk.people[1]
    await flood(desk.hub, ben, room_id, [f"Missed {n}." for n in range(LONG)])
    await come_back(desk, window)
    await expect(window.messages().last).to_have_text(f"Missed {LONG - 1}.")
    await window.shows(*(f"Missed {n}." for n in range(LONG - 50, LONG)))
    post(ben, room_id, "After.")
    await expect(window.messages().last).to_have_text("After.")


async def test_a_message_written_without_a_network_is_kept_and_sent_once(desk: Desk) -> None:
    room_id, window = await reaching(desk)
    await go_away(desk, window)
    await window.say("Hold on to this.")
    await window.shows("Hold on to this.")
    await expect(window.page.locator("#log .pending")).to_contain_text("waiting for the connection")
    await come_back(desk, window)
    await window.settled()
    await window.shows("Hold on to this.")
    assert ["Hold on to this."] == [m["content"] for m in stored(desk.people[0], room_id)]


async def test_a_message_whose_acknowledgement_was_lost_is_there_once(desk: Desk) -> None:
    room_id, window = await reaching(desk)
    ann = desk.people[0]
    desk.proxy.mute = True
    await window.say("Did you hear me?")
    await until(lambda: len(stored(ann, room_id)) == 1)
    await expect(window.page.locator("#log .pending")).to_have_count(1)
    await go_away(desk, window)
    await come_back(desk, window)
    await window.settled()
    await window.say("Good.")
    await window.settled()
    await window.shows("Did you hear me?", "Good.")
    assert ["Did you hear me?", "Good."] == [m["content"] for m in stored(ann, room_id)]


async def test_a_refused_message_says_why_and_can_be_taken_back_and_sent(desk: Desk) -> None:
    room_id, window = await reaching(desk)
    await window.say("Refuse\u0000 this.")
    await expect(window.page.locator(".refused")).to_be_visible()
    await window.page.get_by_role("button", name="Edit").click()
    await expect(window.composer).to_have_value("Refuse\u0000 this.")
    await window.say("Take this.")
    await window.settled()
    await window.shows("Take this.")
    assert ["Take this."] == [m["content"] for m in stored(desk.people[0], room_id)]
