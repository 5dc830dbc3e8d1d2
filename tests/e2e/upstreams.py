"""A hub whose models are served by our own endpoint and by one that none of us wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from openai import DefaultHttpxClient, OpenAI

from tests.models.canned import run_canned
from tests.models.server import ModelServer, run_model_server
from tests.support.hub import HubProcess, run_hub

COMPLETIONS: Final = "/v1/chat/completions"
BEHAVIOURS: Final = (
    "plain", "random", "json", "gated", "drip", "hang", "silent", "html", "gzip", "truncated",
    "early-close", "error-frame", "error-event", "status-400", "status-401", "status-404",
    "status-429", "status-500",
)  # fmt: skip
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Served:
    """The hub, the endpoint behind `test/…`, and the canned one behind `canned`."""

    hub: HubProcess
    endpoint: ModelServer
    canned_url: str

    def sdk(self, key: str | None = None) -> OpenAI:
        """OpenAI's own client; it tries nothing twice."""
        http = DefaultHttpxClient(trust_env=False)
        return OpenAI(
            base_url=f"{self.hub.address}/v1", api_key=key or self.hub.key, max_retries=0,
            http_client=http,
        )  # fmt: skip

    def complete(self, model: str, text: str = "hello", **fields: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": text}]} | fields
        with self.hub.client() as client:
            return client.post(COMPLETIONS, json=body)

    def stats(self, **at_least: int) -> Json:
        return asyncio.run(self.endpoint.stats(**at_least))

    def last_request(self) -> Json:
        """What the endpoint was sent last."""
        sent: Json = asyncio.run(self.endpoint.sent())["requests"][-1]["body"]
        return sent

    def last_text(self) -> str:
        return str(asyncio.run(self.endpoint.sent())["text"])


@contextmanager
def serve(folder: Path) -> Iterator[Served]:
    """Every behaviour of the endpoint is a model `test/BEHAVIOUR`; with those that never go on the
    hub is patient for half a second."""
    with run_model_server() as endpoint, run_canned(folder) as canned_url:
        config = folder / "hub.toml"
        config.write_text(_config(endpoint.base_url, canned_url))
        allow = f"127.0.0.1:{endpoint.port}"
        env = {"HUB_CONFIG": str(config), "HUB_OUTBOUND_ALLOW": allow, "CANNED_KEY": "k-canned"}
        with run_hub(folder / "data", env=env) as hub:
            yield Served(hub, endpoint, canned_url)


def _config(endpoint_url: str, canned_url: str) -> str:
    entries = [_entry(f"test/{name}", endpoint_url, upstream_model=name) for name in BEHAVIOURS]
    price = {"prompt": 1_000_000, "completion": 2_000_000}
    entries += [
        _entry("canned", canned_url, api_key_env="CANNED_KEY", context_window=32_000),
        _entry("keyless", canned_url, api_key_env="A_VARIABLE_THAT_IS_NOT_SET"),
        _entry("priced", endpoint_url, upstream_model="plain", price=price),
        _entry(
            "narrow",
            endpoint_url,
            upstream_model="plain",
            context_window=600,
            max_output_tokens=100,
        ),
        _entry(
            "optimistic",
            endpoint_url,
            upstream_model="small",
            context_window=1_000,
            max_output_tokens=100,
        ),
        _entry("rescued", endpoint_url, upstream_model="status-500", fallbacks=["canned"]),
        _entry("late-rescue", endpoint_url, upstream_model="error-frame", fallbacks=["canned"]),
    ]
    return "\n".join(entries)


def _entry(slug: str, base_url: str, **fields: Any) -> str:
    """One `[models."slug"]`; JSON's values are TOML's, but for tables."""
    values = {"base_url": base_url} | fields
    if fields.get("upstream_model") in ("silent", "hang"):
        values |= {"idle_timeout_s": 0.5, "connect_timeout_s": 0.5}
    lines = [f"{name} = {_value(value)}" for name, value in values.items()]
    return "\n".join([f'[models."{slug}"]', *lines, ""])


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_value(v)}" for name, v in value.items()) + "}"
    return json.dumps(value)
