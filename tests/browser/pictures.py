"""`python -m tests.browser.pictures`: the README's pictures, taken anew from a running hub."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.async_api import Browser, expect

from tests.browser.chromium import MISSING, find_chromium, open_chromium
from tests.browser.voice import Voice, run_voice, write_settings
from tests.browser.windows import open_window
from tests.support.hub import HubProcess, run_hub

FOLDER: Final = Path(__file__).with_name("pictures")
MODEL: Final = "scailabs/poolnoodle-omni"
SIZES: Final[dict[str, dict[str, Any]]] = {
    "light": {"viewport": {"width": 1180, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1180, "height": 900}, "color_scheme": "dark"},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "light",
        "has_touch": True,
        "is_mobile": True,
    },
}
REVIEW: Final = (
    "Three cuts, in this order:\n\n"
    "1. **One field for the name.** People know how to write theirs.\n"
    "2. **Postcode first.** It can fill in town and region by itself.\n"
    "3. **Company** goes behind a link, for the few who need it.\n\n"
    "That turns eleven fields into five."
)
NOTES: Final = (
    "**Checkout is calmer now.** Five fields instead of eleven, and your postcode fills in the"
)


class Room:
    """The room of the demo tenant, and how its people speak in it."""

    def __init__(self, hub: HubProcess, stack: ExitStack) -> None:
        self.hub = hub
        self.admin = stack.enter_context(hub.client())
        self.clients = {
            name: stack.enter_context(self.client(name)) for name in ("alice", "bob", "carol")
        }
        reviewer = {"driver": {"kind": "model", "model": MODEL}}
        self.admin.patch("/v1/participants/bot_design_reviewer", json=reviewer).raise_for_status()
        bob = {"initial_members": [{"type": "user", "id": "user_bob"}]}
        for name, private in (("Launch", True), ("Support", True), ("Lunch", False)):
            body = {"name": name, "private": private} | bob
            self.clients["alice"].post("/v1/rooms", json=body).raise_for_status()
        rooms = self.clients["alice"].get("/v1/rooms").raise_for_status().json()["data"]["items"]
        self.ids = {room["name"]: room["id"] for room in rooms}
        self.id = self.ids["Design Review"]
        for title in ("Names for the beta", "Postcode lookup, explained", "Release notes"):
            session = {"model": MODEL, "title": title}
            self.clients["alice"].post("/v1/sessions", json=session).raise_for_status()

    def client(self, name: str) -> httpx.Client:
        body = {"name": name, "participant_id": f"user_{name}"}
        key = self.admin.post("/v1/api-keys", json=body).raise_for_status().json()["data"]["key"]
        return httpx.Client(
            base_url=self.hub.address,
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=60,
        )

    def finished(self, posted: dict[str, Any]) -> None:
        """Wait until the message has been answered."""
        thread = f"/v1/rooms/{self.id}/messages/{posted['id']}/thread"
        for _ in range(600):
            if len(self.admin.get(thread).raise_for_status().json()["data"]["items"]) > 1:
                return
            time.sleep(0.05)
        raise SystemExit("the room got no answer")

    def say(
        self, name: str, content: str, *mention: str, to: str | None = None, room: str | None = None
    ) -> dict[str, Any]:
        path = f"/v1/rooms/{room or self.id}/messages" + (f"/{to}/reply" if to else "")
        named = [{"type": who.split("_")[0], "id": who} for who in mention]
        body = {"content": content, "mention": named}
        posted = self.clients[name].post(path, json=body).raise_for_status().json()["data"]
        return dict(posted)

    def read(self, name: str) -> None:
        """They have seen everything here."""
        head = self.admin.get(f"/v1/rooms/{self.id}").raise_for_status().json()["data"]["head"]
        path = f"/v1/rooms/{self.id}/read"
        self.clients[name].post(path, json={"seq": head}).raise_for_status()


def talk(room: Room, voice: Voice) -> None:
    """A morning in the room; the last reply is left half written."""
    room.say(
        "alice", "Morning! The new checkout is on staging: https://staging.example.com/checkout"
    )
    room.say(
        "bob",
        "Tried it on my phone just now. **Much** faster, but the address form still feels long.",
    )
    room.say("bob", "Eleven fields, I counted.")
    room.say("carol", "Could we drop `company`? Hardly anybody fills it in.")
    voice.say(REVIEW)
    voice.end()
    asked = room.say("alice", "@design_reviewer what would you cut first?", "bot_design_reviewer")
    room.finished(asked)
    room.say("bob", "Postcode first is clever. I can have that by Thursday.", to=asked["id"])
    room.say("carol", "And I will ask support what they hear about it.", to=asked["id"])
    voice.say(NOTES)
    room.say(
        "alice", "Lovely. @poolnoodle a line for the release notes, please?", "persona_poolnoodle"
    )
    room.read("alice")
    room.say("bob", "Two people asked for invoices today.", room=room.ids["Support"])
    room.say("bob", "@alice shall we say noon?", "user_alice", room=room.ids["Launch"])
    room.say("bob", "I can start the page.", room=room.ids["Launch"])


async def take(browser: Browser, room: Room, name: str) -> None:
    """One picture, of Alice's window."""
    window = await open_window(browser, room.clients["alice"], room.hub.address, **SIZES[name])
    await window.enter(room.id)
    await expect(window.page.locator(".streaming")).to_contain_text("fills in the")
    await window.page.get_by_role("button", name="3 replies").click()
    log = window.page.locator("#log")
    await log.evaluate("(node) => node.scrollTo(0, node.scrollHeight)")
    await window.page.mouse.move(0, 0)
    await window.page.evaluate("document.activeElement.blur()")
    await window.page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")
    assert [] == window.unforgiven()
    await window.page.context.close()


async def main() -> None:
    path = find_chromium()
    if path is None:
        raise SystemExit(MISSING)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        voice = stack.enter_context(run_voice())
        hub = stack.enter_context(run_hub(folder, env=write_settings(voice, folder, MODEL)))
        room = Room(hub, stack)
        talk(room, voice)
        async with open_chromium(path) as browser:
            for name in SIZES:
                await take(browser, room, name)
        voice.end()


if __name__ == "__main__":
    asyncio.run(main())
