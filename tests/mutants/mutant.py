"""What a mutant is: one exact text of one file replaced, and the tests that must fail for it.

The `.toml` files of this folder have one table per mutant, named by what is broken.
"""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent
_FIELDS: Final = frozenset({"guard", "file", "find", "replace", "test", "database", "hangs"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """`guard` says in a sentence what is broken; `hangs` that the tests then never end."""

    name: str
    guard: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]
    database: str = "sqlite"
    hangs: bool = False

    def faults(self, root: Path) -> list[str]:
        """Why it cannot be tried on the tree at `root`; empty when it can."""
        path = root / self.file
        if not path.is_file():
            return [f"there is no file {self.file}"]
        text = path.read_text()
        times = text.count(self.find) if self.find else 0
        if times != 1:
            return [f"its text occurs {times} times in {self.file}, not once"]
        return [*self._compiles(text), *(f for node in self.tests if (f := _missing(root, node)))]

    def _compiles(self, text: str) -> list[str]:
        broken = self.broken(text)
        if broken == text:
            return ["it changes nothing"]
        if not self.file.endswith(".py"):
            return []
        try:
            compile(broken, self.file, "exec", dont_inherit=True)
        except SyntaxError as error:
            return [f"what it makes is no Python: {error}"]
        return []

    def broken(self, text: str) -> str:
        return text.replace(self.find, self.replace)


def load(folder: Path = FOLDER) -> list[Mutant]:
    """Every mutant, in the order of the files. Raises ValueError for one that is malformed."""
    found: dict[str, Mutant] = {}
    for path in sorted(folder.glob("*.toml")):
        for name, fields in tomllib.loads(path.read_text()).items():
            if name in found:
                raise ValueError(f"{path.name}: there are two mutants {name}")
            found[name] = _mutant(path.name, name, fields)
    return list(found.values())


def _mutant(where: str, name: str, fields: dict[str, Any]) -> Mutant:
    unknown, required = fields.keys() - _FIELDS, _FIELDS - {"database", "hangs"} - fields.keys()
    if unknown or required:
        raise ValueError(f"{where}: {name}: unknown {sorted(unknown)}, missing {sorted(required)}")
    tests = fields.pop("test")
    return Mutant(name=name, tests=(tests,) if isinstance(tests, str) else tuple(tests), **fields)


def _missing(root: Path, node: str) -> str | None:
    """What is wrong with a test's node id, read from its file without importing it."""
    file, _, function = node.partition("::")
    path = root / file
    if not path.is_file():
        return f"there is no file {file}"
    name = function.partition("[")[0]
    defined = ast.parse(path.read_text()).body
    if any(isinstance(d, ast.FunctionDef | ast.AsyncFunctionDef) and d.name == name
           for d in defined):  # fmt: skip
        return None
    return f"there is no test {name} in {file}"
