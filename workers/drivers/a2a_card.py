"""An agent's card: where and how it is spoken to, in protocol 1.0 or 0.3. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from hub.core.errors import Backend
from hub.core.text import text_fault

_VERSION = re.compile(r"[01](\.[0-9]{1,4}){0,2}")


@dataclass(frozen=True, slots=True)
class Interface:
    """Where and how an agent is spoken to, as its card says."""

    url: str
    binding: Literal["JSONRPC", "HTTP+JSON"]
    version: str
    streaming: bool
    tenant: str = ""

    @property
    def old(self) -> bool:
        """Whether it speaks 0.x, with its own names for everything."""
        return self.version.startswith("0.")


def interface_of(card: Any, card_url: str) -> Interface:
    """The best interface of a card: the newest protocol first, then the agent's own order.

    Raises Backend when there is none this client can speak.
    """
    if not isinstance(card, Mapping):
        raise Backend("the agent's card is not a JSON object")
    capabilities = card.get("capabilities")
    streaming = isinstance(capabilities, Mapping) and capabilities.get("streaming") is True
    found = [
        Interface(url, binding, version, streaming, tenant)  # type: ignore[arg-type]
        for url, binding, version, tenant in _offered(card, card_url)
        if _speakable(binding, version)
    ]
    if not found:
        raise Backend(
            "the agent's card offers no interface the hub can speak (JSONRPC or HTTP+JSON of "
            "protocol 1.x, or JSONRPC of 0.x)"
        )
    return min(found, key=lambda interface: interface.old)


def _offered(card: Mapping[str, Any], card_url: str) -> list[tuple[str, str, str, str]]:
    """(url, binding, version, tenant) of all interfaces that can be read."""
    new = _objects(card.get("supportedInterfaces"))
    version = _text(card.get("protocolVersion")) or "0.3"
    first = {"url": card.get("url"), "transport": card.get("preferredTransport") or "JSONRPC"}
    old = [first, *_objects(card.get("additionalInterfaces"))]
    offers = [
        (i.get("url"), i.get("protocolBinding"), i.get("protocolVersion") or "1.0", i.get("tenant"))
        for i in new
    ] or [(i.get("url"), i.get("transport"), version, "") for i in old]
    return [
        (url, _text(binding).upper(), _text(version), _text(tenant))
        for given, binding, version, tenant in offers
        if (url := _absolute(given, card_url))
    ]


def _speakable(binding: str, version: str) -> bool:
    """JSON-RPC of either protocol; HTTP+JSON was another thing in 0.3."""
    if not _VERSION.fullmatch(version):
        return False
    return binding == "JSONRPC" or (binding == "HTTP+JSON" and version.startswith("1"))


def _absolute(url: Any, base: str) -> str:
    """An http(s) URL, or nothing."""
    if not isinstance(url, str) or not url or text_fault(url):
        return ""
    try:
        joined = httpx.URL(base).join(url)
    except (httpx.InvalidURL, ValueError):
        return ""
    return str(joined) if joined.scheme in ("http", "https") and joined.host else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
