"""URLs that name many servers, of sentinels or of a cluster.

scheme://[user:password@]host[:port][,host[:port]…][/path][?option=value]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio.connection import parse_url

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ManyHosts:
    """What such a URL says. `options` are redis-py's for a connection, but where to."""

    secure: bool
    addresses: tuple[Address, ...]
    path: str
    options: Mapping[str, Any]


def read_many(url: str, port: int) -> ManyHosts:
    """The parts of a URL; `port` is that of a host without one. Raises ValueError for an option
    that is none."""
    scheme, _, rest = url.partition("://")
    place, mark, query = rest.partition("?")
    login, at, place = place.rpartition("@")
    hosts, _, path = place.partition("/")
    secure = scheme.startswith("rediss")
    one = f"{'rediss' if secure else 'redis'}://{login}{at}any{mark}{query}"
    options: dict[str, Any] = dict(parse_url(one))
    del options["host"]
    addresses = tuple(_address(each, port) for each in hosts.split(","))
    return ManyHosts(secure, addresses, path, options)


def _address(each: str, default: int) -> Address:
    """Host and port; an IPv6 address with a port is in brackets."""
    host, _, port = each.rpartition(":") if not each.endswith("]") else (each, "", "")
    return (host.strip("[]"), int(port)) if host and port else (each.strip("[]"), default)
