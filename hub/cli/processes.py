"""Several processes that do the same: forked, started again when they crash, ended together."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import structlog

from hub.bus.embedded import dies_with_parent
from hub.process import CannotStart

RESTART_S: Final = (0.1, 0.5, 2.0, 5.0)
CALM_S: Final = 60.0
_ENDING: Final = (signal.SIGTERM, signal.SIGINT)
log = structlog.get_logger("hub.processes")


def run_processes(count: int, work: Callable[[int], None]) -> int:
    """Run `work(number)` in a process for each number until SIGTERM or SIGINT, which all of them
    get; the exit status. One that is killed is started again; one that ends by itself with an
    error ends all, as it would do the same again. Call it while there is no other thread."""
    family = _Family(count, work)
    with family.told_to_end():
        for number in range(count):
            family.start(number)
        while family.pids:
            family.wait()
    return family.status


class _Family:
    """The processes by id, with the number each has."""

    def __init__(self, count: int, work: Callable[[int], None]) -> None:
        self.pids: dict[int, int] = {}
        self.status = 0
        self._work = work
        self._ending = False
        self._crashes: list[list[float]] = [[] for _ in range(count)]

    @contextlib.contextmanager
    def told_to_end(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._end) for number in _ENDING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def start(self, number: int) -> None:
        with _blocked() as unblock:
            ask = dies_with_parent(signal.SIGTERM)
            pid = os.fork()
            if not pid:
                _be_child(lambda: self._work(number), ask, unblock)
            self.pids[pid] = number

    def wait(self) -> None:
        """Until one ends; what becomes of its number."""
        pid, status = os.wait()
        number = self.pids.pop(pid, None)
        if number is None or self._ending:
            return
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            self.status = code
            self._end()
            return
        log.error("a process was killed and is started again", process=pid, signal=-code)
        time.sleep(self._pause_s(number))
        if not self._ending:
            self.start(number)

    def _pause_s(self, number: int) -> float:
        now = time.monotonic()
        lately = [at for at in self._crashes[number] if at > now - CALM_S]
        self._crashes[number] = [*lately, now]
        return RESTART_S[min(len(lately), len(RESTART_S) - 1)]

    def _end(self, *_: Any) -> None:
        self._ending = True
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


@contextlib.contextmanager
def _blocked() -> Iterator[Callable[[], None]]:
    """Signals wait: none comes between a fork and the child being known."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        yield unblock
    finally:
        unblock()


def _be_child(
    work: Callable[[], None], ask: Callable[[], None] | None, unblock: Callable[[], None]
) -> NoReturn:
    """Never returns: what stands around the fork is the parent's to end."""
    status = 1
    try:
        for number in _ENDING:
            signal.signal(number, signal.SIG_DFL)
        unblock()
        if ask is not None:
            ask()
        work()
        status = 0
    except CannotStart as error:
        log.error("a process cannot start", reason=str(error))
    except BaseException:
        log.exception("a process failed")
    finally:
        os._exit(status)
