"""Redis: does it answer, is it new enough, does it keep our keys and carry what is published."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from redis.exceptions import RedisError

from hub.bus.client import answering
from hub.bus.clients import Clients, open_clients
from hub.bus.embedded import NoEngine, find_binary
from hub.bus.redis import open_bus
from hub.cli.checks.finding import Finding, doubtful, failed, well
from hub.cli.checks.hiding import hide, place_of
from hub.core.errors import Unavailable
from hub.process import innermost
from hub.settings import Settings
from hub.wire.packets import Packet

PART: Final = "redis"
MEMORY: Final = "redis memory"
PUBSUB: Final = "pub/sub"
LEAST: Final = (7, 0)
FULL: Final = 0.9
HEARD_S: Final = 3.0
RUN_S: Final = 5.0
_MB: Final = 1_000_000
_KEEP: Final = "tickets, drafts, presence and the stream that wakes workers"


async def check_redis(settings: Settings) -> list[Finding]:
    """Of the server that is set, or of the one that comes along; nothing is stored there."""
    own = settings.data_dir.absolute() / "valkey.sock"
    url = settings.redis_url or (f"unix://{own}" if own.is_socket() else None)
    if url is None:
        return [_embedded()]
    try:
        async with open_clients(url) as clients:
            with answering():
                await clients.commands.ping()
            return [
                *await _servers(clients, url, settings),
                await _round_trip(url, settings),
            ]
    except (Unavailable, ValueError) as error:
        if settings.redis_url is None:
            return [_embedded()]  # its socket is left over
        said = f"{place_of(url)}: {hide(getattr(error, 'message', error), settings)}"
        return [failed(PART, said, "start Redis 7 or Valkey there, or correct HUB_REDIS_URL")]


def _embedded() -> Finding:
    """The server that `roomhub up` starts: whether its program runs here."""
    todo = "start a Redis 7 or Valkey yourself and set HUB_REDIS_URL"
    try:
        return _tried(find_binary())
    except NoEngine as error:
        return failed(PART, str(error).partition(": ")[0], todo)
    except (OSError, subprocess.SubprocessError) as error:
        return failed(PART, f"the embedded Valkey does not run here: {type(error).__name__}", todo)


def _tried(binary: Path) -> Finding:
    done = subprocess.run(
        [str(binary), "--version"], capture_output=True, text=True, timeout=RUN_S, check=True
    )
    version = next((word for word in done.stdout.split() if word.startswith("v=")), "v=?")[2:]
    return well(PART, f"the embedded Valkey {version}, which roomhub up starts; none runs now")


async def _servers(clients: Clients, url: str, settings: Settings) -> list[Finding]:
    """What the server says of itself; of a cluster, what each of its masters does."""
    found: list[Finding] = []
    servers = [*clients.places.all()]
    for number, server in enumerate(servers, 1):
        where = place_of(url) + (f", master {number} of {len(servers)}" if len(servers) > 1 else "")
        try:
            about: dict[str, Any] = dict(await server.info())
        except (RedisError, OSError) as error:
            found.append(doubtful(
                PART, f"{where} does not say what it is: {hide(error, settings)}",
                "allow this user INFO (ACL SETUSER … +info)",
            ))  # fmt: skip
            continue
        found += [version_of(about, where), *memory_of(about, where)]
    return found


def version_of(about: dict[str, Any], where: str) -> Finding:
    """`about` is what INFO says."""
    spoken = str(about.get("redis_version", ""))
    name = "Valkey" if about.get("server_name") == "valkey" else "Redis"
    said = f"{name} {about.get('valkey_version') or spoken}, {where}"
    numbers = tuple(int(each) for each in spoken.split(".")[:2] if each.isdecimal())
    if numbers < LEAST:
        return failed(PART, f"{said}: too old", "install Redis 7 or newer, or Valkey")
    return well(PART, said)


def memory_of(about: dict[str, Any], where: str) -> Iterator[Finding]:
    """Whether keys of ours may be thrown away, or refused, when the memory is full."""
    policy = str(about.get("maxmemory_policy", "noeviction"))
    most, used = int(about.get("maxmemory", 0)), int(about.get("used_memory", 0))
    todo = "CONFIG SET maxmemory-policy noeviction, and the same in its configuration file"
    if policy != "noeviction" and most:
        yield failed(MEMORY, f"{where}: {policy} throws away {_KEEP} at {most // _MB} MB", todo)
    elif policy != "noeviction":
        yield doubtful(MEMORY, f"{where}: {policy} throws away {_KEEP} once maxmemory is set", todo)
    elif most and used > FULL * most:
        yield doubtful(
            MEMORY, f"{where}: {used // _MB} of {most // _MB} MB are in use",
            "raise maxmemory, or find who else fills it",
        )  # fmt: skip
    else:
        limit = f"of {most // _MB} MB" if most else "without a limit"
        yield well(MEMORY, f"noeviction, {used // _MB} MB in use {limit}")


async def _round_trip(url: str, settings: Settings) -> Finding:
    """Say something on a channel of our own, and hear it as a gateway would."""
    heard, channel = asyncio.Event(), f"doctor-{secrets.token_hex(8)}"

    def hear(_: str, packet: Packet | None) -> None:
        if packet is not None:
            heard.set()

    async def trip() -> float:
        async with open_bus(url, settings.redis_prefix, channel) as bus, bus.listen(hear) as line:
            await line.subscribe(channel)
            began = asyncio.get_running_loop().time()
            await bus.publish([(channel, Packet(0, 1, b"doctor"))])
            await heard.wait()
            return (asyncio.get_running_loop().time() - began) * 1000

    todo = "let this user SSUBSCRIBE and SPUBLISH on channels of HUB_REDIS_PREFIX"
    try:
        took_ms = await asyncio.wait_for(trip(), HEARD_S)
    except TimeoutError:
        return failed(PUBSUB, f"what was published was not heard within {HEARD_S:g} s", todo)
    except (Unavailable, RedisError, OSError, ExceptionGroup) as error:
        return failed(PUBSUB, f"nothing can be heard: {hide(innermost(error), settings)}", todo)
    return well(PUBSUB, f"heard after {took_ms:.1f} ms")
