"""`roomhub doctor`: what is wrong with an installation, and what to do about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from hub.cli.checks.database import PART as DATABASE
from hub.cli.checks.database import check_database
from hub.cli.checks.finding import Check, Examined, Finding, examine, failed
from hub.cli.checks.folder import PART as FOLDER
from hub.cli.checks.folder import check_folder
from hub.cli.checks.hub import PART as HUB
from hub.cli.checks.hub import check_hub
from hub.cli.checks.machine import PART as FILES
from hub.cli.checks.machine import check_files
from hub.cli.checks.redis import PART as REDIS
from hub.cli.checks.redis import check_redis
from hub.cli.checks.setting import PART as SETTINGS
from hub.cli.checks.setting import check_settings
from hub.cli.checks.tokens import PART as TOKENS
from hub.cli.checks.tokens import check_tokens
from hub.cli.pipes import piped
from hub.cli.show import print_json
from hub.logs import without_logs
from hub.settings import Settings, SettingsError, load

_COLOURS: Final = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def doctor(data_dir: Path | None, url: str | None, *, as_json: bool) -> int:
    """Look at everything and say it; the exit status, 1 when anything failed. Changes nothing."""
    with without_logs(), piped():
        examined = _examine(data_dir, url)
        if as_json:
            checks = [finding.as_dict() for finding in examined.findings]
            print_json({"status": examined.status, "checks": checks})
        else:
            _print(examined)
    status = 1 if examined.status == "failed" else 0
    if examined.stuck:  # Python would wait for its threads
        sys.stdout.flush()
        os._exit(status)
    return status


def _examine(data_dir: Path | None, url: str | None) -> Examined:
    try:
        settings = load(data_dir=data_dir)
    except SettingsError as error:
        todo = "correct it: deploy/README.md has all settings; the rest is looked at after that"
        return Examined((failed(SETTINGS, str(error), todo),))
    return examine(_checks(settings, url))


def _checks(settings: Settings, url: str | None) -> Mapping[str, Check]:
    return {
        SETTINGS: partial(check_settings, settings),
        FOLDER: partial(check_folder, settings),
        DATABASE: partial(check_database, settings),
        REDIS: partial(check_redis, settings),
        TOKENS: partial(check_tokens, settings),
        HUB: partial(check_hub, settings, url),
        FILES: partial(check_files, settings),
    }


def _print(examined: Examined) -> None:
    console = Console()
    width = max(len(finding.part) for finding in examined.findings)
    for finding in examined.findings:
        line = _line(finding, width)
        if console.is_terminal:
            console.print(line, soft_wrap=True, highlight=False)
        else:
            print(line.plain)


def _line(finding: Finding, width: int) -> Text:
    todo = f" -> {finding.todo}" if finding.todo else ""
    status = (f"{finding.status:<7}", _COLOURS[finding.status])
    return Text.assemble(status, f"  {finding.part:<{width}}  {finding.said}", (todo, "bold"))
