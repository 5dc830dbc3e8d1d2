"""The quick load generator: `load/load.c`, built when it is needed, given a `Load` and giving a
`Counted` as that of `hub.bench` does."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub.bench.load import Counted, Load
from hub.bench.marks import MARK
from hub.bench.process import BenchError, Drive
from hub.bench.sending import greeting, message, request

SOURCE: Final = Path(__file__).parent / "load" / "load.c"
COMPILERS: Final = ("cc", "gcc", "clang")
OPTIONS: Final = ("-std=c11", "-O2")


class NoCompiler(Exception):
    """Why there is no quick generator, in one line."""


@contextlib.contextmanager
def open_quick(*options: str) -> Iterator[Drive]:
    """The generator, built into a folder that goes with it. Raises NoCompiler."""
    with tempfile.TemporaryDirectory(prefix="bench-load-") as folder:
        program = Path(folder) / "load"
        _build(program, options)
        yield lambda load: _drive(program, load)


def _build(program: Path, options: tuple[str, ...]) -> None:
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise NoCompiler("no C compiler is on PATH (Debian: apt-get install gcc libc6-dev)")
    command = [compiler, *OPTIONS, *options, "-o", str(program), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().partition("\n")[0]
        raise NoCompiler(f"{compiler} cannot build it: {said}")


def _drive(program: Path, load: Load) -> Counted:
    done = subprocess.run([program], input=plan(load), capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"status {done.returncode}"
        raise BenchError(f"the load generator failed: {said}")
    return Counted.from_json(done.stdout.decode(errors="replace"))


def plan(load: Load) -> bytes:
    """What `load/plan.h` reads: the load as netstrings, all its texts filled and framed."""
    step_ns = int(1e9 / (load.rate * load.rooms)) if load.rate else 0
    parts: list[str | int | bytes] = [
        *_place(load.host, load.port), *_place(*(load.publishers_at or (load.host, load.port))),
        load.rooms, load.members, load.filled_by, load.window, step_ns,
        *_ns(load.secs, load.settle_s, load.quiet_s), int(load.wire == "raw"),
        MARK, load.ready, load.acked, load.refused, len(load.pids), *load.pids,
    ]  # fmt: skip
    for conn in range(load.rooms * load.members):
        parts += [_kept(load, conn), request(load, conn), greeting(load, conn)]
        parts += message(load, conn)
    return b"".join(map(_netstring, parts))


def _ns(*seconds: float) -> list[int]:
    return [int(each * 1e9) for each in seconds]


def _place(host: str, port: int) -> tuple[str, int]:
    return socket.gethostbyname(host), port


def _kept(load: Load, conn: int) -> str:
    return str(Path(load.keep_dir).absolute() / str(conn)) if conn in load.keep else ""


def _netstring(part: str | int | bytes) -> bytes:
    data = part if isinstance(part, bytes) else str(part).encode()
    return b"%d:%s," % (len(data), data)
