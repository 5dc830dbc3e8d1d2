"""Something whose calls fail, each the first time, with what nobody expects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any


class Faulty:
    """Stands before an object and what it is made of. The first call of each of `calls`, as in
    `lives.note`, raises what `fault` makes."""

    def __init__(
        self, target: Any, calls: Collection[str], fault: Callable[[], BaseException]
    ) -> None:
        self.failed: set[str] = set()
        self._target = target
        self._calls = calls
        self._fault = fault
        self._path = ""

    @property
    def all_failed(self) -> bool:
        return self.failed == set(self._calls)

    def __getattr__(self, name: str) -> Any:
        found, path = getattr(self._target, name), f"{self._path}{name}"
        if path in self._calls:
            return self._failing_once(path, found)
        if any(each.startswith(f"{path}.") for each in self._calls):
            return self._part(f"{path}.", found)
        return found

    def _part(self, path: str, target: Any) -> Faulty:
        part = Faulty(target, self._calls, self._fault)
        part.failed, part._path = self.failed, path
        return part

    def _failing_once(self, path: str, call: Callable[..., Any]) -> Callable[..., Any]:
        async def called(*args: Any, **named: Any) -> Any:
            if path not in self.failed:
                self.failed.add(path)
                raise self._fault()
            return await call(*args, **named)

        assert inspect.iscoroutinefunction(call), f"{path} is not awaited"
        return called
