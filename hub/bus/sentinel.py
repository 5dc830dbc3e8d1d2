"""Redis behind Sentinel: every new connection asks who is the master now.

The URL names the sentinels and the master that they watch; login, database and options are those of
the master, as in a `redis://` URL:

    redis+sentinel://[user:password@]host[:port][,host[:port]…]/master[/database][?option=value]

`rediss+sentinel` is TLS to the master and the sentinels. The options `sentinel_username` and
`sentinel_password` log in at the sentinels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff

from hub.bus.urls import read_many

SCHEMES: Final = ("redis+sentinel://", "rediss+sentinel://")
PORT: Final = 26379
ASK_S: Final = 1.0  # a sentinel that is silent costs so much once, then another is asked first


class SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to the master of the moment, and those to the sentinels."""

    sentinel_manager: Sentinel

    async def get_master_address(self) -> Any:
        try:
            return await super().get_master_address()  # type: ignore[no-untyped-call]
        except MasterNotFoundError:
            name = self.service_name
            raise MasterNotFoundError(f"no sentinel knows a master {name!r} that is up") from None

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


def sentinel_pool(url: str, options: Mapping[str, Any]) -> SentinelPool:
    """The pool of a URL of this kind; `options` are those of a `BlockingConnectionPool`."""
    said = read_many(url, PORT)
    master, _, database = said.path.partition("/")
    asked = dict(said.options)
    if database:
        asked.setdefault("db", int(database))
    asked.pop("connection_class", None)
    manager = Sentinel(  # type: ignore[no-untyped-call]
        said.addresses, sentinel_kwargs=_asking(asked, secure=said.secure)
    )
    managed = SentinelManagedSSLConnection if said.secure else SentinelManagedConnection
    return SentinelPool(  # type: ignore[no-untyped-call]
        master, manager, **{**options, **asked}, connection_class=managed
    )


def _asking(asked: dict[str, Any], *, secure: bool) -> dict[str, Any]:
    """How a sentinel is asked. What is for sentinels is taken out of what was asked for."""
    login = {name: asked.pop(f"sentinel_{name}", None) for name in ("username", "password")}
    private = {name: value for name, value in asked.items() if name.startswith("ssl_")}
    return {
        **login,
        **(private | {"ssl": True} if secure else {}),
        "socket_timeout": ASK_S,
        "socket_connect_timeout": ASK_S,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_error": [],
        "protocol": 2,
    }
