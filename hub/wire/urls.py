"""Which URLs a tenant may have the hub call, and which addresses they may lead to. Pure.

A name is only looked at here, never resolved: that is for `outbound.py`, at every connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

SETTING: Final = "HUB_OUTBOUND_ALLOW"
MAX_URL_CHARS: Final = 2048
_PORTS: Final = {"https": 443, "http": 80}
_FIRST_FREE_PORT: Final = 1024
_WRITABLE: Final = re.compile(r"[!-\[\]-~]+")  # ASCII, without spaces, controls and backslash
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_UNICAST: Final = ip_network("2000::/3")
# The special-purpose registries of IANA, written out: what `is_global` calls global differs
# between versions of Python and takes in NAT64, 6to4 and multicast.
_SPECIAL: Final = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # unspecified, "this network"
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT, and Alibaba's metadata
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host, a public address
            "169.254.0.0/16",  # link-local, and the metadata of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments, and Oracle's metadata
            "192.0.2.0/24",
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "3fff::/20",
        ),
    )
)


class Endpoint(NamedTuple):
    """A host in its one spelling, and a port."""

    host: str
    port: int


def endpoint(host: str, port: int) -> Endpoint:
    """An address is written as short as it can be, a name in lower case."""
    address = _address(host)
    return Endpoint(str(address) if address else host.lower(), port)


def read_allow(allow: Iterable[str]) -> frozenset[Endpoint]:
    """The operator's list of `host:port`. Raises ValueError with a sentence about a wrong one."""
    return frozenset(_allowed(entry) for entry in allow)


def check_url(url: str, allow: Iterable[str] = ()) -> None:
    """Raises ValueError with what would be right, such as "must begin with https://…".

    `allow` is the operator's list of `host:port`: these may also be http, local and on any port.
    """
    if len(url) > MAX_URL_CHARS:
        raise ValueError(f"must be at most {MAX_URL_CHARS} characters, was {len(url)}")
    if not _WRITABLE.fullmatch(url):
        raise ValueError(
            "must be printable ASCII without spaces and backslashes;"
            " an international name is written in its xn-- form"
        )
    parts = _split(url)
    host, port = parts.hostname or "", _port(parts)
    if endpoint(host, port) in read_allow(allow):
        return
    if parts.scheme != "https":
        raise ValueError(f"must begin with https://; for http:// {_operator(host, port)}")
    if port != _PORTS["https"] and port < _FIRST_FREE_PORT:
        raise ValueError(f"must have port 443 or one from 1024; for others {_operator(host, port)}")
    _check_host(host, port)


def is_public(text: str) -> bool:
    """Whether this is a public unicast address; an IPv4 address mapped into IPv6 is unwrapped."""
    address = _address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address is None or (address.version == 6 and address not in _UNICAST):
        return False
    return address.is_global and not any(address in network for network in _SPECIAL)


def not_public(host: str, port: int) -> str:
    """What is said about a host that leads to anything else; its address stays untold."""
    return f"must lead to a public address; for any other {_operator(host, port)}"


def _operator(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"the operator of the hub can put {shown}:{port} into {SETTING}"


def _allowed(entry: str) -> Endpoint:
    try:
        parts = urlsplit(f"//{entry.strip()}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port or parts.netloc != entry.strip() or "@" in entry:
        raise ValueError(f"{SETTING} is a list of host:port, not {entry!r}")
    return endpoint(host, port)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if "[" in parts.netloc:  # RFC 3986 keeps a place there for addresses yet to come
            IPv6Address(parts.hostname or "")
    except ValueError:
        raise ValueError("must have a host name or an address, an IPv6 one in []") from None
    if parts.scheme not in _PORTS or not parts.netloc:
        raise ValueError("must begin with https://")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password")
    if "#" in url:
        raise ValueError("must not have a fragment (#…)")
    return parts


def _port(parts: SplitResult) -> int:
    try:
        port = _PORTS[parts.scheme] if parts.port is None else parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("must have a port between 1 and 65535, or none")
    return port


def _check_host(host: str, port: int) -> None:
    """A name that has more than one label, or an address in its usual spelling."""
    if _address(host) is not None:
        if not is_public(host):
            raise ValueError(not_public(host, port))
        return
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("must have a valid host name")
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError("must have an address of four decimal numbers, or a host name")
    if len(labels) == 1:
        raise ValueError(not_public(host, port))


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
