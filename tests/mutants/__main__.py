"""Every mutant tried, a line for each, and 1 when one is left: `python -m tests.mutants`."""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.mutant import Mutant, load
from tests.mutants.trial import Copy, Result, open_copy

ROOT = Path(__file__).parents[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every mutant asked for is caught."""
    asked = _parse(arguments)
    mutants = load()
    if unknown := set(asked.names) - {m.name for m in mutants}:
        print(f"there is no mutant {', '.join(sorted(unknown))}; see --list")
        return 2
    chosen = [m for m in mutants if not asked.names or m.name in asked.names]
    if asked.list:
        print("\n".join(f"{m.name}: {m.guard}" for m in chosen))
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    results = try_all(chosen, asked.jobs)
    left = [r for r in results if r.verdict != "caught"]
    for result in left:
        print(f"\n{result.verdict}: {result.mutant.name}\n  {result.mutant.guard}")
        print(f"  tests: {' '.join(result.mutant.tests)}\n  {result.words}")
    took_s = time.monotonic() - began
    print(f"\ncaught {len(results) - len(left)} of {len(results)} in {took_s:.0f} s")
    return 1 if left else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these mutants")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="copies at a time")
    parser.add_argument("--list", action="store_true", help="say what there is and try nothing")
    return parser.parse_args(arguments)


def try_all(mutants: Sequence[Mutant], jobs: int) -> list[Result]:
    """Each mutant in one of `jobs` copies of the tree, a line of the table as each is done.

    Mutants with the same tests go to the same copy, which runs them unbroken once."""
    groups: dict[tuple[str, ...], list[Mutant]] = {}
    for mutant in mutants:
        groups.setdefault((mutant.database, *mutant.tests), []).append(mutant)
    waiting: queue.SimpleQueue[list[Mutant]] = queue.SimpleQueue()
    for group in groups.values():
        waiting.put(group)
    width = max((len(m.name) for m in mutants), default=0)

    copies: list[Copy] = []

    def work() -> list[Result]:
        done: list[Result] = []
        with open_copy(ROOT) as copy:
            copies.append(copy)
            while True:
                try:
                    group = waiting.get_nowait()
                except queue.Empty:
                    return done
                for mutant in group:
                    done.append(copy.attempt(mutant))
                    _show(done[-1], width)

    with ThreadPoolExecutor(max(1, jobs)) as threads:
        working = [threads.submit(work) for _ in range(max(1, jobs))]
        try:
            return [result for each in working for result in each.result()]
        except BaseException:  # Ctrl-C too: nothing more is begun, and what runs is ended
            with contextlib.suppress(queue.Empty):
                while waiting.get_nowait():
                    pass
            for copy in copies:
                copy.stop()
            raise


def _show(result: Result, width: int) -> None:
    name = result.mutant.name.ljust(width)
    print(f"{result.verdict:<9}{name} {result.seconds:6.1f} s  {result.words[:90]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
