"""A hub that runs, if one does: does it live, is it ready."""

from __future__ import annotations

from typing import Any, Final

import httpx

from hub.cli.checks.finding import Finding, doubtful, failed, well
from hub.cli.checks.hiding import hide, place_of
from hub.cli.checks.setting import is_shared
from hub.cli.lock import running_address, running_pid
from hub.settings import Settings

PART: Final = "hub"
ANSWER_S: Final = 3.0
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


async def check_hub(settings: Settings, url: str | None) -> list[Finding]:
    """The hub at `url`, else the one that holds the data directory, else whatever listens where one
    would."""
    try:
        address, pid = running_address(settings.data_dir), running_pid(settings.data_dir)
    except OSError as error:
        return [failed(PART, f"its lock cannot be read ({error.strerror})",
                       "give hub.lock in the data directory to the user of the hub")]  # fmt: skip
    if url or address:
        return [await _asked(str(url or address), settings)]
    if pid is not None:
        return [doubtful(PART, f"process {pid} is starting", "see again in a moment")]
    return [await _where_one_would_be(settings)]


async def _where_one_would_be(settings: Settings) -> Finding:
    host = _EVERYWHERE.get(settings.host, settings.host)
    address = f"http://{host}:{settings.port}"
    try:
        alive = await _get(address, "/healthz")
    except httpx.ConnectError:
        if is_shared(settings):  # gateways hold no data directory
            said = f"none listens on {host}:{settings.port}; --url asks one that does elsewhere"
            return well(PART, said)
        return well(PART, "none runs on this data directory; start one with: roomhub up")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        alive = {}
    if alive.get("alive"):
        return await _asked(address, settings)
    return doubtful(PART, f"another program listens on {host}:{settings.port}",
                    "choose another port with HUB_PORT or --port")  # fmt: skip


async def _asked(address: str, settings: Settings) -> Finding:
    where = place_of(address)
    try:
        await _get(address, "/healthz")
        ready = await _get(address, "/readyz")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        said = f"no hub answers at {where}: {hide(error, settings) or type(error).__name__}"
        return failed(PART, said, "see its log, and start it again if it hangs")
    if not ready.get("ready"):
        reasons = "; ".join(map(str, ready.get("reasons", ()))) or "it gives no reason"
        return failed(PART, f"{where} lives and is not ready: {hide(reasons, settings)}",
                      "mend what it names; it goes on by itself")  # fmt: skip
    return well(PART, f"{where} lives and is ready")


async def _get(address: str, path: str) -> dict[str, Any]:
    """The `data` of a hub's answer, whatever its status; ValueError for that of anything else."""
    async with httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as client:
        answer = (await client.get(f"{address.rstrip('/')}{path}")).json()
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise ValueError("its answer is not a hub's")
    return data
