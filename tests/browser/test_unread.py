"""What is unread is counted wherever it comes, and is read as somebody looks at it."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from playwright.async_api import Locator, Route, WebSocketRoute, expect

from tests.browser.desk import Desk, post, until
from tests.browser.test_gap import CUT, come_back, go_away
from tests.browser.windows import Window
from tests.e2e.people import Person


async def reader(desk: Desk, **context: Any) -> tuple[Window, Person, str, str]:
    """Ann's window on one of the two rooms that she has with Ben; the other is hers to miss."""
    ann, ben = desk.person("ann"), desk.person("ben")
    here, there = desk.room(ann, ben.id, name="Kitchen"), desk.room(ann, ben.id, name="Garden")
    window = await desk.window(ann, **context)
    return await window.enter(here), ben, here, there


def entry(window: Window, name: str = "Garden") -> Locator:
    return window.page.get_by_role("list").get_by_role("link", name=name)


async def is_unread(window: Window, words: str, name: str = "Garden") -> None:
    """Wait until the list says so of a room; "" for nothing unread."""
    await expect(entry(window, name).locator(".news .unseen")).to_have_text(
        [words] if words else []
    )


def at_hub(window: Window, room_id: str) -> tuple[int, int]:
    """What the hub says is unread of a room, and how often its reader was mentioned."""
    items = window.client.get("/v1/rooms").raise_for_status().json()["data"]["items"]
    (room,) = (room for room in items if room["id"] == room_id)
    return room["unread"], room["mentions"]


def line(window: Window) -> Locator:
    return window.page.get_by_role("separator", name="New messages")


async def after_line(window: Window) -> str:
    """The message below the line."""
    below = line(window).locator("xpath=following-sibling::*[1]").locator(".row-body")
    return (await below.inner_text()).strip()


async def test_what_comes_elsewhere_is_counted_and_read_when_it_is_opened(desk: Desk) -> None:
    window, ben, _, there = await reader(desk)
    await is_unread(window, "")
    post(ben, there, "One.")
    await is_unread(window, "1 unread")
    await expect(window.page).to_have_title("(1) Kitchen · roomhub")
    ann = window.client.get("/v1/me").json()["data"]["participant"]
    body = {"content": "You?", "mention": [{"type": "user", "id": ann["id"]}]}
    ben.client.post(f"/v1/rooms/{there}/messages", json=body).raise_for_status()
    await is_unread(window, "2 unread, you were mentioned once")
    assert (2, 1) == at_hub(window, there)
    await entry(window).click()
    await is_unread(window, "")
    await expect(window.page).to_have_title("Garden · roomhub")
    await until(lambda: (0, 0) == at_hub(window, there))


async def test_ones_own_messages_and_those_one_sees_are_not_unread(desk: Desk) -> None:
    window, ben, here, there = await reader(desk)
    post(desk.people[0], there, "From elsewhere.")
    post(ben, there, "Missed.")
    await is_unread(window, "1 unread")
    post(ben, here, "Seen.")
    await window.shows("Seen.")
    await until(lambda: (0, 0) == at_hub(window, here))
    await is_unread(window, "", "Kitchen")
    await expect(line(window)).to_have_count(0)


async def test_a_line_stands_above_what_is_new_until_one_writes(desk: Desk) -> None:
    window, ben, here, there = await reader(desk)
    await window.open(there)
    post(ben, there, "Seen.")
    await window.shows("Seen.")
    await until(lambda: (0, 0) == at_hub(window, there))
    await window.open(here)
    post(ben, there, "Missed.", "Missed too.")
    await is_unread(window, "2 unread")
    await window.open(there)
    await expect(line(window)).to_have_count(1)
    assert "Missed." == await after_line(window)
    post(ben, there, "Live.")
    await window.shows("Seen.", "Missed.", "Missed too.", "Live.")
    await expect(line(window)).to_have_count(1)
    await window.say("I see.")
    await expect(line(window)).to_have_count(0)


async def test_what_was_there_before_one_joined_is_not_new(desk: Desk) -> None:
    ann, ben = desk.person("ann"), desk.person("ben")
    room_id = desk.room(ben, name="Old")
    post(ben, room_id, "Long ago.")
    joining = {"type": "user", "id": ann.id}
    ben.client.post(f"/v1/rooms/{room_id}/members", json=joining).raise_for_status()
    post(ben, room_id, "Welcome, Ann.")
    window = await (await desk.window(ann)).enter(room_id)
    await window.shows("Long ago.", "Welcome, Ann.")
    await expect(line(window)).to_have_count(1)
    assert "Welcome, Ann." == await after_line(window)


async def test_one_goes_to_where_the_new_begins_however_far_it_is(desk: Desk) -> None:
    window, ben, _, there = await reader(desk)
    post(ben, there, *(f"Line {n}." for n in range(70)))
    await is_unread(window, "70 unread")
    await window.open(there)
    jump = window.page.get_by_role("button", name="70 new messages")
    await jump.click()
    await expect(line(window)).to_be_in_viewport()
    assert "Line 0." == await after_line(window)
    await expect(jump).to_have_count(0)
    await expect(window.page.get_by_role("log")).to_be_focused()
    await until(lambda: (0, 0) == at_hub(window, there))


async def test_the_way_to_the_new_can_be_dismissed(desk: Desk) -> None:
    window, ben, _, there = await reader(desk)
    post(ben, there, *(f"Line {n}." for n in range(45)))
    await window.open(there)
    await window.page.get_by_role("button", name="Dismiss").click()
    await expect(window.page.get_by_role("button", name="45 new messages")).to_have_count(0)
    await expect(line(window)).to_have_count(1)


async def test_what_comes_below_the_screen_is_read_when_one_gets_there(desk: Desk) -> None:
    window, ben, _, there = await reader(desk)
    post(ben, there, *(f"Line {n}." for n in range(30)))
    await window.open(there)
    await until(lambda: (0, 0) == at_hub(window, there))
    await window.page.locator("#log").evaluate("(node) => node.scrollTo(0, 0)")
    pill = window.page.locator("#pill")
    post(ben, there, "Below.")
    await expect(pill).to_have_text("1 new message")
    await is_unread(window, "1 unread")
    assert (1, 0) == at_hub(window, there)
    await pill.click()
    await is_unread(window, "")
    await until(lambda: (0, 0) == at_hub(window, there))
    assert "Below." == await after_line(window)


async def test_nothing_is_read_while_nobody_looks(desk: Desk) -> None:
    window, ben, here, _ = await reader(desk)
    await window.page.evaluate("document.hasFocus = () => false")  # as behind another window
    post(ben, here, "Unseen.")
    await window.shows("Unseen.")
    await is_unread(window, "1 unread", "Kitchen")
    await expect(window.page).to_have_title("(1) Kitchen · roomhub")
    await expect(line(window)).to_have_count(1)
    assert (1, 0) == at_hub(window, here)
    await window.page.evaluate("delete document.hasFocus; dispatchEvent(new Event('focus'))")
    await is_unread(window, "", "Kitchen")
    await until(lambda: (0, 0) == at_hub(window, here))


async def test_what_is_read_in_one_window_is_read_in_all(desk: Desk) -> None:
    window, ben, here, there = await reader(desk)
    post(ben, there, "For both.")
    other = await desk.tab(window)
    await other.page.goto(f"{other.address}/#room={here}")
    await other.is_live()
    for each in (window, other):
        await is_unread(each, "1 unread")
    await window.open(there)
    await is_unread(other, "")
    await expect(other.page).to_have_title("Kitchen · roomhub")


async def test_what_came_while_the_network_was_away_is_counted_once(desk: Desk) -> None:
    window, ben, _, there = await reader(desk, cuttable=True)
    window.forgive(*CUT)
    post(ben, there, "Before.")
    await is_unread(window, "1 unread")
    await go_away(desk, window)
    post(ben, there, "Meanwhile.")
    await come_back(desk, window)
    await is_unread(window, "2 unread")
    post(ben, there, "After.")
    await is_unread(window, "3 unread")


async def test_what_was_read_while_the_network_was_away_is_told_to_the_hub(desk: Desk) -> None:
    window, ben, here, _ = await reader(desk, cuttable=True)
    window.forgive(*CUT)
    await window.page.evaluate("document.hasFocus = () => false")
    post(ben, here, "Unseen.")
    await is_unread(window, "1 unread", "Kitchen")
    await go_away(desk, window)
    await window.page.evaluate("delete document.hasFocus; dispatchEvent(new Event('focus'))")
    await is_unread(window, "", "Kitchen")
    assert (1, 0) == at_hub(window, here)
    await come_back(desk, window)
    await until(lambda: (0, 0) == at_hub(window, here))
    await is_unread(window, "", "Kitchen")


async def test_what_the_hub_could_not_take_as_read_at_once_is_told_again(desk: Desk) -> None:
    window, ben, _, there = await reader(desk)
    refused: list[str] = []

    def refuse_once(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def to_hub(frame: str | bytes) -> None:
            command = json.loads(frame)
            if command["type"] != "read" or refused:
                server.send(frame)
                return
            refused.append(command["room_id"])
            error = {"code": "RATE_LIMITED", "message": "too many commands", "retry_after": 0.1}
            reply = {"type": "reply", "id": command["id"], "ok": False, "error": error}
            later = asyncio.get_running_loop().call_later
            later(0.5, socket.send, json.dumps(reply))  # when nothing else waits to be told

        socket.on_message(to_hub)

    await window.page.route_web_socket(re.compile("/v1/ws"), refuse_once)
    await window.reload()
    post(ben, there, "Missed.")
    await is_unread(window, "1 unread")
    await window.open(there)
    await until(lambda: (0, 0) == at_hub(window, there))
    assert [there] == refused


async def test_a_room_opens_before_the_list_has_come_and_what_is_new_is_marked_then(
    desk: Desk,
) -> None:
    window, ben, _, there = await reader(desk)
    post(ben, there, "Missed.")
    await is_unread(window, "1 unread")
    may_come = asyncio.Event()

    async def late(route: Route) -> None:
        await may_come.wait()
        await route.continue_()

    await window.page.route(re.compile(r"/v1/rooms\?"), late)
    await window.page.evaluate("(id) => history.replaceState(null, '', `#room=${id}`)", there)
    await window.reload()
    await window.shows("Missed.")
    await expect(entry(window)).to_have_count(0)
    may_come.set()
    await expect(line(window)).to_have_count(1)
    await is_unread(window, "")
    assert "Missed." == await after_line(window)
    await until(lambda: (0, 0) == at_hub(window, there))


async def test_a_deleted_message_is_not_unread_any_more(desk: Desk) -> None:
    window, ben, _, there = await reader(desk)
    _, second = post(ben, there, "Stays.", "Goes.")
    await is_unread(window, "2 unread")
    ben.client.delete(f"/v1/rooms/{there}/messages/{second}").raise_for_status()
    await is_unread(window, "1 unread")


async def test_a_new_reply_opens_its_thread_below_a_line(desk: Desk) -> None:
    window, ben, here, there = await reader(desk)
    await window.open(there)
    [root, _] = post(ben, there, "Root.", "Last.")
    path = f"/v1/rooms/{there}/messages/{root}/reply"
    ben.client.post(path, json={"content": "Old reply."}).raise_for_status()
    await until(lambda: (0, 0) == at_hub(window, there))
    await window.open(here)
    ben.client.post(path, json={"content": "New reply."}).raise_for_status()
    await is_unread(window, "1 unread")
    await window.open(there)
    await window.shows("Root.", "Old reply.", "New reply.", "Last.")
    await expect(window.page.locator(".thread .new-line")).to_have_count(1)
    assert "New reply." == await after_line(window)


async def test_a_room_that_is_left_before_it_was_live_is_heard_of_still(desk: Desk) -> None:
    window, ben, here, there = await reader(desk)
    followed, asked, answer = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def delay(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        slow: set[int] = set()

        def to_hub(frame: str | bytes) -> None:
            command = json.loads(frame)
            if there in [room["room_id"] for room in command.get("rooms", ())]:
                followed.set()
            if command.get("room_id") == there and command["type"] == "subscribe":
                slow.add(command["id"])
                asked.set()
            server.send(frame)

        async def to_page(frame: str | bytes) -> None:
            if json.loads(frame).get("id") in slow:
                await answer.wait()
            socket.send(frame)

        socket.on_message(to_hub)
        server.on_message(to_page)

    await window.page.route_web_socket(re.compile("/v1/ws"), delay)
    await window.reload()
    await followed.wait()
    await window.page.evaluate("(id) => { location.hash = `room=${id}` }", there)
    await asked.wait()
    await window.open(here)
    answer.set()
    post(ben, there, "Missed.")
    await is_unread(window, "1 unread")


async def test_a_room_one_joins_is_followed_from_then_on(desk: Desk) -> None:
    window, ben, _, _ = await reader(desk)
    ann = window.client.get("/v1/me").json()["data"]["participant"]
    late = desk.room(ben, ann["id"], name="Late")
    await expect(entry(window, "Late")).to_be_visible()
    post(ben, late, "Hello, Ann.")
    await is_unread(window, "1 unread", "Late")
