"""`python -m tests.bench`: the hub beside its peers in one run, with one load generator."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from hub.bench.fanout import Shape
from hub.bench.process import BenchError, Drive, run_load
from tests.bench.others import (
    NATS,
    SOCKET_IO,
    UWEBSOCKETS,
    open_nats,
    open_socket_io,
    open_uwebsockets,
    version,
)
from tests.bench.pair import TWO_GATEWAYS, open_pair
from tests.bench.peers import HUB, NCHAN, Missing, Peer, open_hub, open_nchan, open_sketch
from tests.bench.quick import NoCompiler, open_quick
from tests.bench.table import Run, markdown

RESULTS = Path(__file__).parent / "results"
SHAPES = {
    "10x100 w4": Shape(10, 100, 4),
    "10x100 w16": Shape(10, 100, 16),
    "1x5000 w16": Shape(1, 5000, 16),
    "500x4 w4": Shape(500, 4, 4),
    "10x100 100k/s": Shape(10, 100, rate=100),
}
PEERS = {
    "hub": HUB, "sketch": "sketch", "nchan": NCHAN, "socketio": SOCKET_IO, "nats": NATS,
    "uws": UWEBSOCKETS, "hub2": TWO_GATEWAYS,
}  # fmt: skip
USUAL = [name for name in PEERS if name != "hub2"]
Opener = Callable[[Path], contextlib.AbstractContextManager[Peer]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--secs", type=float, default=5.0)
    parser.add_argument("--size", type=int, default=200, help="bytes of a message")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=USUAL)
    parser.add_argument("--generator", choices=("c", "python"), default="c")
    parser.add_argument("--npm", type=Path, metavar="FOLDER", help="where npm installed packages")
    parser.add_argument("--sketch", type=Path, metavar="FILE", help="a yardstick to run as well")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _open_peers(given: argparse.Namespace) -> Iterator[list[Peer]]:
    """Everybody who is here; the rest are named with the reason."""
    openers: dict[str, Opener] = {
        "hub": open_hub,
        "sketch": lambda folder: open_sketch(given.sketch, folder),
        "nchan": open_nchan,
        "socketio": lambda folder: open_socket_io(given.npm, folder),
        "nats": open_nats,
        "uws": lambda folder: open_uwebsockets(given.npm, folder),
        "hub2": open_pair,
    }
    with contextlib.ExitStack() as stack:
        peers = []
        for name in given.peers:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            try:
                peers.append(stack.enter_context(openers[name](folder)))
            except Missing as missing:
                _say(f"SKIPPED {PEERS[name]}: {missing}")
        yield peers


@contextlib.contextmanager
def _open_generator(name: str) -> Iterator[Drive]:
    """The one that was asked for, or that of `roomhub bench`."""
    with contextlib.ExitStack() as stack:
        drive: Drive = run_load
        if name == "c":
            try:
                drive = stack.enter_context(open_quick())
            except NoCompiler as missing:
                _say(f"THE SLOW GENERATOR, in Python, puts the load on: {missing}")
        yield drive


def _run(name: str, shape: Shape, peer: Peer, drive: Drive) -> Run:
    try:
        counted = peer.measure(shape, drive)
    except BenchError as error:
        _say(f"{name}  {peer.name}: no figure: {error}")
        return Run(name, peer.name, None, str(error))
    _say(
        f"{name}  {peer.name}: {counted.per_s:,.0f} deliveries/s, p99 {counted.p99_ms:.1f} ms, "
        f"generator {counted.busy:.0%}"
    )
    return Run(name, peer.name, counted)


def _measure(given: argparse.Namespace) -> list[Run]:
    """Servers take turns, so that what else the machine does falls on all of them."""
    runs = []
    with _open_generator(given.generator) as drive, _open_peers(given) as peers:
        for name in given.shapes:
            about = SHAPES[name]
            shape = Shape(
                about.rooms, about.members, about.window, about.rate, given.size, given.secs
            )
            for _ in range(given.repeats):
                runs += [_run(name, shape, peer, drive) for peer in peers]
    return runs


def _save(runs: list[Run]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("%Y%m%d-%H%M%S.json")
    machine = {
        "cores": os.cpu_count(), "python": platform.python_version(),
        "nginx": version("nginx", "-v"), "redis": version("redis-server", "--version"),
        "nats": version("nats-server", "--version"), "node": version("node", "--version"),
    }  # fmt: skip
    about = {"machine": machine, "runs": [asdict(run) for run in runs]}
    path.write_text(json.dumps(about, indent=1))
    return path


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every server is ended
    runs = _measure(_arguments())
    _say(f"raw figures: tests/bench/results/{_save(runs).name}")
    print(markdown(runs, NCHAN))
    return 0 if all(run.counted for run in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
