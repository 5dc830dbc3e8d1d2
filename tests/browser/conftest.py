"""One Chromium for all browser tests, a context of its own for every window."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.chromium import MISSING, find_chromium, open_chromium
from tests.browser.desk import Desk
from tests.browser.voice import SLUG, Voice, run_voice, write_settings
from tests.browser.windows import WAIT_MS
from tests.client.proxy import run_proxy
from tests.support.hub import HubProcess, run_hub

FOLDER = Path(__file__).parent

expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = find_chromium()
    if path is None:
        pytest.skip(MISSING)
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(chromium_path: str) -> AsyncIterator[Browser]:
    async with open_chromium(chromium_path) as browser:
        yield browser


@pytest.fixture(scope="session")
def shared_voice() -> Iterator[Voice]:
    with run_voice() as voice:
        yield voice


@pytest.fixture
def voice(shared_voice: Voice) -> Voice:
    """What the model `test/voice` says; silent until it is told."""
    shared_voice.forget()
    return shared_voice


@pytest.fixture(scope="session")
def hub(
    chromium_path: str, shared_voice: Voice, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HubProcess]:
    """A hub that knows the voice; its data is shared, so use rooms and people of your own."""
    folder = tmp_path_factory.mktemp("browser")
    with run_hub(folder / "data", env=write_settings(shared_voice, folder, SLUG)) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def desk(hub: HubProcess, chromium: Browser) -> AsyncIterator[Desk]:
    """At the end no window may have complained: of an error in its console or of the page, of a
    violated policy or of a failed request."""
    async with run_proxy(hub.address) as proxy:
        desk = Desk(hub, chromium, proxy)
        yield desk
        complaints = [said for window in desk.windows for said in window.unforgiven()]
        for window in desk.windows:
            await window.page.context.close()
        for person in desk.people:
            person.client.close()
        assert [] == complaints


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all of these tests: a browser belongs to the loop it was opened in."""
    for item in items:
        if item.path.is_relative_to(FOLDER):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
