"""nginx on `nginx.conf`, as a child process."""

from __future__ import annotations

import os
import shutil
import signal
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.child import Child, start_child

HOW_TO_GET_IT: Final = "apt-get install nginx"
_TEMPLATE: Final = Path(__file__).parent / "nginx.conf"


def find_nginx() -> str | None:
    """Its program; Debian keeps it where only root looks."""
    return shutil.which("nginx", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")


def start_nginx(
    program: str, listen: str, gateways: tuple[str, str], run: Path, log: Path
) -> Child:
    """In front of two gateways; `listen` and `gateways` are host:port, `run` a folder of its own.
    It may not answer yet. It does not outlive this process."""
    values = {"LISTEN": listen, "GATEWAY_1": gateways[0], "GATEWAY_2": gateways[1], "RUN": str(run)}
    config = run / "nginx.conf"
    config.write_text(fill_in(_TEMPLATE.read_text(), values))
    return start_child(
        "nginx",
        [program, "-e", "stderr", "-c", str(config), "-g", "daemon off;"],
        log,
        os.environ,
        stop_signal=signal.SIGQUIT,  # waits until the gateways have sent their clients away
        orphaned=signal.SIGTERM,  # takes its workers along
    )


def fill_in(template: str, values: Mapping[str, str]) -> str:
    """As the nginx image does: only these names are replaced, nginx's own variables stay."""
    return string.Template(template).safe_substitute(values)
