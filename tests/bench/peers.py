"""Who is measured: the hub, the sketch of its path, Nchan with Redis."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from hub.bench import fanout
from hub.bench.cpu import family
from hub.bench.fanout import Shape
from hub.bench.load import Counted, Load
from hub.bench.process import BenchError, Drive, faults_of
from hub.bench.stage import Stage, open_api, open_stage
from tests.bench.processes import free_port, run_server
from tests.support.hub import HubProcess, run_hub

HUB, NCHAN = "roomhub", "Nchan + Redis"
_SETTLE_S = 1.5
_NGINX = """
load_module {modules}/ngx_nchan_module.so;
daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 20000; }}
http {{
  access_log off; nchan_shared_memory_size 256M;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream r {{ nchan_redis_server redis://127.0.0.1:{redis}; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location ~ ^/red/(\\d+)$ {{
      nchan_pubsub websocket; nchan_channel_id r$1; nchan_redis_pass r;
      nchan_message_buffer_length 100; nchan_message_timeout 30s;
      nchan_subscriber_first_message newest;
    }}
  }}
}}
"""


class Peer(Protocol):
    """A server that runs, and can be measured again and again."""

    name: str

    def measure(self, shape: Shape, drive: Drive) -> Counted:
        """One run with this generator. Raises BenchError when the count cannot be believed."""


class Missing(Exception):
    """Why a peer is left out."""


def families(*pids: int) -> tuple[int, ...]:
    """These processes and all that descend from them by now."""
    return tuple(each for pid in pids for each in family(pid))


class Hub:
    """The hub over its own protocol; members are made once per size and used by every run."""

    def __init__(self, name: str, process: HubProcess, *pids: int) -> None:
        self.name = name
        self._process = process
        self._pids = pids
        self._stages: dict[tuple[int, int], Stage] = {}

    def measure(self, shape: Shape, drive: Drive) -> Counted:
        return asyncio.run(self._measure(shape, drive))

    async def _measure(self, shape: Shape, drive: Drive) -> Counted:
        size = (shape.rooms, shape.members)
        async with open_api(self._process.address, self._process.key) as api:
            if size not in self._stages:
                async with open_stage(api, shape.groups, keep=True) as stage:
                    self._stages[size] = stage
            stage, pids = self._stages[size], families(*self._pids)
            _, counted = await fanout.measure(api, stage, shape, pids, drive)
            return counted


class Other:
    """Another server, as a load says how to talk to it."""

    def __init__(self, name: str, load: Callable[[Shape], Load], *pids: int) -> None:
        self.name = name
        self._load = load
        self._pids = pids

    def measure(self, shape: Shape, drive: Drive) -> Counted:
        load = replace(self._load(shape), pids=families(*self._pids))
        counted = drive(load)
        if faults := faults_of(load, counted):
            raise BenchError("; ".join(faults))
        return counted


def load(port: int, shape: Shape, publish: str, **how: object) -> Load:
    about = {
        "host": "127.0.0.1", "port": port, "publish": publish, "rooms": shape.rooms,
        "members": shape.members, "window": shape.window, "rate": shape.rate,
        "size": shape.size, "secs": shape.secs, "settle_s": _SETTLE_S,
    }  # fmt: skip
    return Load(**(about | how))  # type: ignore[arg-type]


@contextlib.contextmanager
def open_hub(folder: Path) -> Iterator[Peer]:
    """`roomhub up` on a data directory of its own."""
    with run_hub(folder / "hub", "--no-demo") as process:
        assert process.process is not None
        yield Hub(HUB, process, process.process.pid)


@contextlib.contextmanager
def open_redis(folder: Path) -> Iterator[tuple[int, int]]:
    """The port and the process of a server without a disk. Raises Missing."""
    program = shutil.which("redis-server")
    if program is None:
        raise Missing("redis-server is not on PATH (Debian: apt-get install redis-server)")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "",
               "--appendonly", "no", "--dir", str(folder)]  # fmt: skip
    with run_server(command, port, folder / f"redis-{port}.log") as pid:
        yield port, pid


@contextlib.contextmanager
def open_nchan(folder: Path) -> Iterator[Peer]:
    """nginx with Nchan, its channels in a Redis of their own. Raises Missing."""
    program = shutil.which("nginx")
    modules = _nginx_modules(program) if program else None
    if program is None or modules is None:
        raise Missing(
            "nginx with nchan is not here (Debian: apt-get install nginx libnginx-mod-nchan)"
        )
    with open_redis(folder) as (redis, redis_pid):
        port, config = free_port(), folder / "nginx.conf"
        config.write_text(_NGINX.format(modules=modules, folder=folder, port=port, redis=redis))
        command = [program, "-p", str(folder), "-c", str(config)]
        with run_server(command, port, folder / "nginx.log") as pid:
            yield Other(NCHAN, lambda shape: _nchan_load(port, shape), pid, redis_pid)


def _nchan_load(port: int, shape: Shape) -> Load:
    return load(port, shape, "{payload}", path="/red/{room}")


def _nginx_modules(program: str) -> Path | None:
    """The folder nginx loads modules from, when Nchan is in it."""
    said = subprocess.run([program, "-V"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"--modules-path=(\S+)", said)
    folder = Path(found.group(1)) if found else None
    return folder if folder and (folder / "ngx_nchan_module.so").exists() else None


@contextlib.contextmanager
def open_sketch(script: Path | None, folder: Path) -> Iterator[Peer]:
    """The sketch of the design's path, with this interpreter's packages. Raises Missing."""
    if script is None:
        raise Missing("no --sketch FILE was given")
    with open_redis(folder) as (redis, redis_pid):
        port = free_port()
        command = [sys.executable, str(script), str(port), str(redis), str(folder / "sketch.db")]
        with run_server(command, port, folder / "sketch.log") as pid:
            yield Other("sketch", lambda shape: _sketch_load(port, shape), pid, redis_pid)


def _sketch_load(port: int, shape: Shape) -> Load:
    return load(
        port, shape, '{"id":2,"type":"post","room_id":"{room}","content":"{payload}"}',
        pre=('{"id":1,"type":"subscribe","room_id":"{room}"}',), ready='"ok":true',
        acked='"id":2,"ok":true',
    )  # fmt: skip
