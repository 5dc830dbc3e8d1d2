"""A browser window with the web app in it, and everything it complained about."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    WebSocketRoute,
    expect,
)

WAIT_MS: Final = 30_000
# Violations of the page's policy are reported as events of their own; the console may be silent.
_WATCH_POLICY: Final = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Window:
    """One page of one context. What it `complaints` of fails the test, unless it was `forgiven`."""

    page: Page
    client: httpx.Client
    address: str
    complaints: list[str] = field(default_factory=list)
    forgiven: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        self.page.on("requestfailed", self._failed)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            where = message.location.get("url", "")
            self.complaints.append(f"console {message.type}: {message.text} ({where})")

    def _failed(self, request: Request) -> None:
        left = request.url.endswith(".svg") and request.failure == "net::ERR_ABORTED"
        if not left:  # the page was left while its picture was on the way
            self.complaints.append(f"request failed: {request.url}: {request.failure}")

    async def hold_back(self, kind: str) -> Callable[[], None]:
        """From the first event of a kind on nothing of the hub's socket reaches the page, until
        what this returns is called. To be asked for before the page connects."""
        held: list[Callable[[], None]] = []
        holding = True

        def route(socket: WebSocketRoute) -> None:
            hub = socket.connect_to_server()

            def pass_on(frame: str | bytes) -> None:
                if holding and (held or json.loads(frame)["type"] == kind):
                    held.append(lambda: socket.send(frame))
                else:
                    socket.send(frame)

            hub.on_message(pass_on)

        def release() -> None:
            nonlocal holding
            holding = False
            while held:
                held.pop(0)()

        await self.page.route_web_socket(re.compile(r"/v1/ws"), route)
        return release

    def forgive(self, *patterns: str) -> None:
        """What this test provokes on purpose, as regular expressions."""
        self.forgiven.extend(patterns)

    def unforgiven(self) -> list[str]:
        return [
            said
            for said in self.complaints
            if not any(re.search(pattern, said) for pattern in self.forgiven)
        ]

    async def enter(self, room_id: str) -> Window:
        """Sign in by a single-use link and open the room, live."""
        ticket = self.client.post("/v1/tickets", json={"purpose": "login"}).raise_for_status()
        await self.page.goto(f"{self.address}/#ticket={ticket.json()['data']['ticket']}")
        await expect(self.page.locator("#chat")).to_be_visible()
        await self.open(room_id)
        return self

    async def open(self, room_id: str) -> None:
        await self.page.evaluate("(id) => { location.hash = `room=${id}` }", room_id)
        await expect(self.page.locator("#log-list")).to_have_attribute("data-room", room_id)
        await self.is_live()

    async def reload(self) -> None:
        """What the page was fetching for itself is given up by this, and that is no failure."""
        self.forgive("net::ERR_ABORTED")
        await self.page.reload()
        await self.is_live()

    async def is_live(self) -> None:
        state = self.page.locator("#link-state")
        await expect(state).to_have_attribute("data-state", "online", timeout=WAIT_MS)

    @property
    def composer(self) -> Locator:
        """Where a message to the room itself is written."""
        return self.page.locator("#composer textarea")

    async def say(self, text: str) -> None:
        await self.composer.fill(text)
        await self.composer.press("Enter")

    def messages(self) -> Locator:
        """The bodies of all messages on screen, replies too, drafts and pending ones included."""
        return self.page.locator("#log .message .row-body")

    async def texts(self) -> list[str]:
        return [text.strip() for text in await self.messages().all_inner_texts()]

    async def shows(self, *texts: str) -> None:
        """Wait until the log shows exactly these messages, in this order."""
        await expect(self.messages()).to_have_text(list(texts), timeout=WAIT_MS)

    async def settled(self) -> None:
        """Wait until nothing of one's own is still on its way."""
        await expect(self.page.locator("#log .pending")).to_have_count(0, timeout=WAIT_MS)


async def open_window(
    browser: Browser, client: httpx.Client, address: str, **context: Any
) -> Window:
    """A window of a context of its own; `context` as in `Browser.new_context`."""
    options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | context
    made = await browser.new_context(**options)
    return await open_tab(made, client, address)


async def open_tab(context: BrowserContext, client: httpx.Client, address: str) -> Window:
    """Another window of the same context."""
    page = await context.new_page()
    await page.add_init_script(_WATCH_POLICY)
    return Window(page, client, address)
