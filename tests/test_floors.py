"""The floors of the design, section 3: a file imports only from floors below its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]

_DATA = {"hub.core", "hub.wire", "hub.ports"}
_WORK = _DATA | {"hub.enduring"}
_SECOND = (
    _WORK
    | {"hub.settings", "hub.store", "hub.bus", "hub.models", "hub.service"}
    | {"hub.identity", "hub.outbound", "hub.sealing"}
)
_THIRD = _SECOND | {"hub.parts", "hub.bootstrap", "hub.process", "hub.logs", "hub.metrics"}
FLOORS: Final[dict[str, set[str]]] = {
    # each place with the places it may import from, itself aside; the longest name wins
    "hub": set(),
    "hub.core": set(),
    "hub.wire": {"hub.core"},
    "hub.ports": {"hub.core", "hub.wire"},
    "hub.settings": set(),
    "hub.enduring": {"hub.core"},
    "hub.identity": _WORK,
    "hub.store": _DATA,
    "hub.bus": _WORK,
    "hub.models": {"hub.core", "hub.sealing"},
    "hub.outbound": {"hub.core", "hub.wire"},
    "hub.sealing": {"hub.core"},
    "hub.service": _WORK | {"hub.sealing"},
    "hub.client": {"hub.core", "hub.wire"},
    "hub.bench": {"hub.core", "hub.wire", "hub.client"},
    "hub.parts": _SECOND,
    "hub.bootstrap": _SECOND | {"hub.parts"},
    "hub.process": _SECOND | {"hub.parts"},
    "hub.logs": {"hub.settings"},
    "hub.metrics": _SECOND | {"hub.parts"},
    "hub.gateway": _THIRD,
    "hub.cli": _THIRD | {"hub.gateway", "hub.client", "hub.bench"},
    "workers": _THIRD,
    "workers.cli": _THIRD | {"workers", "hub.gateway", "hub.cli"},  # never the other way
}
PURE: Final = frozenset(
    [
        "__future__",
        "abc",
        "base64",
        "binascii",
        "bisect",
        "collections",
        "copy",
        "dataclasses",
        "datetime",
        "enum",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "string",
        "struct",
        "types",
        "typing",
        "unicodedata",
    ]
)
"""What of the standard library core may use: nothing that waits, reads a clock or does I/O."""
_CLOCKS: Final = frozenset({"now", "today", "utcnow"})
_ENGINES: Final = frozenset(
    [
        "alembic",
        "httpx",
        "jwt",
        "pysqlite3",
        "redis",
        "sqlalchemy",
        "sqlite3",
        "starlette",
        "uvicorn",
        "websockets",
    ]
)
_WITHOUT_ENGINES: Final = (
    "hub.core", "hub.wire", "hub.ports", "hub.settings", "hub.enduring", "hub.service",
)  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One imported module; `typing_only` under `if TYPE_CHECKING`."""

    module: str
    line: int
    typing_only: bool = False


def imports_of(module: str, tree: ast.Module, *, package: bool = False) -> Iterator[Import]:
    """Everything a module imports, wherever it does so, relative names resolved."""
    typing_lines = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in node.body
        for line in range(child.lineno, (child.end_lineno or child.lineno) + 1)
    }
    for node in ast.walk(tree):
        for name in _names(module, node, package):
            yield Import(name, node.lineno, node.lineno in typing_lines)  # type: ignore[attr-defined]


def _names(module: str, node: ast.AST, package: bool) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = module.split(".")[: len(module.split(".")) - node.level + (1 if package else 0)]
            base = ".".join([*above, base] if base else above)
        return [f"{base}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = ast.unparse(node.func).rpartition(".")[2]
        if called in ("import_module", "__import__"):
            return [str(node.args[0].value)]
    return []


def place_of(module: str) -> str | None:
    """The place a module is in; None when the table has none for it."""
    found = [place for place in FLOORS if module == place or module.startswith(place + ".")]
    place = max(found, key=len, default=None)
    return None if place == "hub" and module != "hub" else place


def faults_of(module: str, source: str, *, package: bool = False) -> list[str]:
    """What is wrong with a module's imports, a sentence each."""
    tree = ast.parse(source)
    here = place_of(module)
    if here is None:
        return [f"{module} stands on no floor: give it one in FLOORS"]
    found = []
    for item in imports_of(module, tree, package=package):
        top = item.module.split(".")[0]
        where = f"{module}:{item.line}"
        if top in ("hub", "workers"):
            there = place_of(item.module)
            if there not in (here, *FLOORS[here]):
                found.append(f"{where} imports {item.module}, which is not below {here}")
        elif here == "hub.core" and top not in PURE:
            found.append(f"{where} imports {item.module}, and core is pure")
        elif here in _WITHOUT_ENGINES and top in _ENGINES:
            found.append(f"{where} imports {item.module}: only the ports know engines")
    if here == "hub.core":
        found += [f"{module}:{line} reads the clock" for line in _clock_reads(tree)]
    return found


def _clock_reads(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in _CLOCKS:
            yield called.lineno


def _modules() -> dict[str, tuple[Path, bool]]:
    """Every module of the two packages, with its file and whether it is a package."""
    found = {}
    for top in ("hub", "workers"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            package = parts[-1] == "__init__"
            found[".".join(parts[:-1] if package else parts)] = (path, package)
    return found


MODULES: Final = _modules()


@pytest.mark.parametrize("module", MODULES)
def test_a_file_imports_only_from_floors_below(module: str) -> None:
    path, package = MODULES[module]
    assert faults_of(module, path.read_text(), package=package) == []


def test_every_floor_but_those_to_come_has_files() -> None:
    """A renamed folder would make its rules empty."""
    assert {place_of(module) for module in MODULES} >= set(FLOORS)


def test_there_is_no_circle_of_imports() -> None:
    """Imports for type checkers only do not run, so they cannot make one."""
    edges = {
        module: {
            target
            for item in imports_of(module, ast.parse(path.read_text()), package=package)
            if not item.typing_only
            for target in (item.module, item.module.rpartition(".")[0])
            if target in MODULES and target != module
        }
        for module, (path, package) in MODULES.items()
    }
    assert _circle(edges) == []


def _circle(edges: dict[str, set[str]]) -> list[str]:
    """The modules of one circle, or of none."""
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return path[path.index(module) :]
        if module in done:
            return []
        for target in sorted(edges[module]):
            if found := walk(target, [*path, module]):
                return found
        done.add(module)
        return []

    for module in edges:
        if found := walk(module, []):
            return found
    return []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("hub.core.runs", "import asyncio"),
        ("hub.core.runs", "from time import monotonic"),
        ("hub.core.runs", "import random, re"),
        ("hub.core.runs", "import orjson"),
        ("hub.core.runs", "from datetime import datetime\nat = datetime.now()"),
        ("hub.core.runs", "from hub.wire import frames"),
        ("hub.core.runs", "def late():\n    import socket"),
        ("hub.wire.frames", "import hub.ports"),
        ("hub.service.rooms", "from hub.store.store import SqlStore"),
        ("hub.service.rooms", "from hub.settings import Settings"),
        ("hub.service.rooms", "from redis.asyncio import Redis"),
        ("hub.store.rooms", "from hub.bus.redis import RedisBus"),
        ("hub.store.rooms", "from ..service import rooms"),
        ("hub.bus.redis", "from hub import parts"),
        ("hub.models.eliza", "from hub.ports import Store"),
        ("hub.gateway.app", "from workers.pool import Pool"),
        ("hub.cli.up", 'import importlib\nimportlib.import_module("workers.service")'),
        ("hub.gateway.app", "if TYPE_CHECKING:\n    from hub.cli.up import Up"),
        ("hub.surprise", "import re"),
        ("workers.run", "from hub.gateway.fanout import Fanout"),
    ],
)
def test_the_checker_sees_a_file_that_reaches_up(module: str, source: str) -> None:
    assert faults_of(module, source) != []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("hub.core.posts", "from hub.core.values import Json\nimport dataclasses"),
        ("hub.service.rooms", "import asyncio\nfrom hub.ports import Store"),
        ("hub.store.rooms", "from . import rows\nfrom sqlalchemy import select"),
        ("workers.cli", "from workers.pool import Pool"),
    ],
)
def test_the_checker_lets_a_good_file_pass(module: str, source: str) -> None:
    assert faults_of(module, source) == []


def test_the_checker_sees_a_circle() -> None:
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
