"""The Chromium of this machine: found, never fetched."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Browser, async_playwright

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHOSEN: Final = "HUB_TEST_CHROMIUM"
MISSING: Final = (
    "no Chromium here: `apt-get install chromium`, or say where one is with "
    f"{CHOSEN}=/path/to/chromium"
)


def find_chromium() -> str | None:
    """The path of a Chromium, the chosen one first."""
    chosen = os.environ.get(CHOSEN)
    return chosen or next((found for name in NAMES if (found := shutil.which(name))), None)


@asynccontextmanager
async def open_chromium(path: str) -> AsyncIterator[Browser]:
    """One headless Chromium. Its sandbox needs a user who is not root."""
    arguments = ["--force-color-profile=srgb", "--hide-scrollbars"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=arguments)
        async with browser:
            yield browser
