"""A process that has imported the libraries once and forks a pytest for every line it reads.

Most of a short test's time is the import of what never changes. A line is the JSON list of pytest's
arguments; the answer is the pid of the child, which leads a session of its own, then its end.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from typing import Final

LIBRARIES: Final = (
    "pytest", "pytest_asyncio.plugin", "_pytest.junitxml", "alembic.command", "hiredis", "httpx",
    "msgpack", "orjson", "pydantic_settings", "redis.asyncio", "rich.live", "sqlalchemy.dialects",
    "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql", "sqlalchemy.ext.asyncio",
    "starlette.applications", "structlog", "typer", "uvicorn", "uvloop",
    "websockets.asyncio.client", "websockets.sync.client",
)  # fmt: skip


def serve() -> None:
    """Until the input ends."""
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):  # it is only to save time
            importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _work(json.loads(line))
        print(child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)


def _work(arguments: list[str]) -> None:
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    code = 1
    try:
        import pytest

        code = int(pytest.main(arguments))
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
