"""`python -m tests.browser.fetch`: install Chromium where that takes no questions.

As root, with `apt-get` and a network. Anywhere else nothing happens, and the browser tests skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import Final

from tests.browser.chromium import MISSING, find_chromium

APT: Final = (
    "apt-get", "-qq", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10",
    "-o", "Acquire::https::Timeout=10",
)  # fmt: skip
INSTALL: Final = ("install", "-y", "--no-install-recommends", "chromium")
UPDATE_S: Final = 60
DOWNLOAD_S: Final = 180
UNPACK_S: Final = 300


def fetch() -> None:
    """Only the download may take long, and it is cut off before anything has been unpacked."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    if not _apt(*INSTALL, "--download-only", within_s=DOWNLOAD_S) and not (
        _apt("update", within_s=UPDATE_S) and _apt(*INSTALL, "--download-only", within_s=DOWNLOAD_S)
    ):
        return
    _apt(*INSTALL, "--no-download", within_s=UNPACK_S)


def _apt(*arguments: str, within_s: float) -> bool:
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            [*APT, *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=within_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    if find_chromium() is None:
        print("looking for a Chromium to install (once, up to some minutes)", flush=True)
        fetch()
    if find_chromium() is None:
        print(f"the browser tests will be skipped: {MISSING}", file=sys.stderr)
