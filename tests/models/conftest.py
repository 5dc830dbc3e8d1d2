"""What the tests of models share: a model server, and a client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from hub.models.openai import open_client

from .server import ModelServer, run_model_server


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with run_model_server() as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with open_client() as opened:
        yield opened
