"""The production topology on this machine, as processes: `python -m deploy.local`.

PostgreSQL, Valkey, two gateways, two worker pools, and nginx in front. All listen on loopback, and
none of them outlives this script, however it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import resource
import secrets
import shlex
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from redis import Redis

from deploy.child import Child, start_child
from deploy.nginx import HOW_TO_GET_IT, find_nginx, start_nginx
from deploy.postgres import PostgresServer, free_port, run_postgres
from hub.bus.embedded import NoEngine, run_valkey
from hub.parts import write_private
from hub.process import CannotStart

START_S: Final = 60.0
STOP_S: Final = 25.0
_ADDRESS: Final = re.compile(r"roomhub is at http://(\S+)")
_READY: Final = re.compile("workers are ready")


@dataclass
class Topology:
    """What runs, in the order in which it is stopped; `engines` are the pids of those without
    which nothing goes on."""

    folder: Path
    port: int
    env: Mapping[str, str]
    engines: dict[int, str] = field(default_factory=dict)
    children: list[Child] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    nginx: Child | None = None

    @property
    def front(self) -> str:
        """Where clients go: nginx, or the first gateway where there is none."""
        return f"127.0.0.1:{self.port}" if self.nginx else self.addresses["gateway1"]


def main() -> int:
    """Run until Ctrl-C, SIGTERM, or the end of a part that the others need."""
    options = _options()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _running(options.port, options.data_dir) as topology:
            _announce(topology)
            ended = _watch(topology)
            _say(f"{ended}; the others are stopped")
            return 1
    except KeyboardInterrupt:
        _say("stopped")
        return 0
    except (CannotStart, NoEngine) as error:
        print(f"deploy.local: {error}", file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="where nginx listens, 0 for any")
    parser.add_argument(
        "--data-dir", type=Path,
        help="keep everything here (default: a temporary folder, gone at the end)",
    )  # fmt: skip
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, flush=True)


# Starting and stopping.


@contextlib.contextmanager
def _running(port: int, data_dir: Path | None) -> Iterator[Topology]:
    """Everything, started in order and stopped in order. Raises CannotStart."""
    _allow_many_sockets()
    with contextlib.ExitStack() as stack:
        try:
            folder = _folder(stack, data_dir)
            port = _listenable(port)
            postgres = stack.enter_context(
                run_postgres(folder / "postgres", lasting=data_dir is not None)
            )
            valkey = stack.enter_context(run_valkey(_inner(folder, "valkey")))
            topology = Topology(folder, port, _environment(folder, port, postgres, valkey))
            topology.engines = _engines(postgres, valkey)
            stack.callback(_stop, topology)
            _start(topology)
            yield topology
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):  # stopping is not interrupted
                signal.signal(number, signal.SIG_IGN)


def _allow_many_sockets() -> None:
    """As many open files as the system allows, here and in every child."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _folder(stack: contextlib.ExitStack, data_dir: Path | None) -> Path:
    """Where everything lies. PostgreSQL's user may pass through it, and read nothing."""
    if data_dir is None:
        made = stack.enter_context(tempfile.TemporaryDirectory(prefix="roomhub-"))
        folder = Path(made)
    else:
        folder = data_dir.absolute()
        folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    return folder


def _inner(folder: Path, name: str) -> Path:
    (folder / name).mkdir(mode=0o700, exist_ok=True)
    return folder / name


def _listenable(port: int) -> int:
    """The port, or a free one for 0. Raises CannotStart where it is taken."""
    if port == 0:
        return free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CannotStart(f"127.0.0.1:{port}: {error.strerror}; choose with --port") from None
    return port


def _environment(folder: Path, port: int, postgres: PostgresServer, valkey: str) -> dict[str, str]:
    """The settings every part shares, also in `hub.env` for commands run by hand. Others that are
    set, such as HUB_CONFIG, hold too."""
    secret = folder / "secret.key"
    if not secret.exists():
        write_private(secret, secrets.token_urlsafe(32))
    settings = {
        "HUB_DATABASE_URL": postgres.url(),
        "HUB_REDIS_URL": valkey,
        "HUB_SECRET_KEY": secret.read_text(),
        "HUB_DATA_DIR": str(folder / "gateway1"),
    }
    if find_nginx():
        settings["HUB_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()]
    write_private(folder / "hub.env", "".join(lines))
    return os.environ | {"HUB_HOST": "127.0.0.1"} | settings


def _engines(postgres: PostgresServer, valkey: str) -> dict[int, str]:
    assert postgres.process is not None
    with Redis.from_url(valkey) as client:
        about: Any = client.info("server")
    return {postgres.process.pid: "postgres", int(about["process_id"]): "valkey"}


def _start(topology: Topology) -> None:
    """The first gateway alone: it makes the tables, the tenant and the admin's key."""
    _await_gateway(topology, _start_gateway(topology, "gateway1"))
    gateway = _start_gateway(topology, "gateway2")
    pools = [_start_hub(topology, name, "workers") for name in ("workers1", "workers2")]
    _await_gateway(topology, gateway)
    for pool in pools:
        _await_word(pool, _READY)
    if program := find_nginx():
        _start_nginx(topology, program)


def _start_hub(topology: Topology, name: str, *command: str) -> Child:
    log = _inner(topology.folder, "logs") / f"{name}.log"
    program = [sys.executable, "-m", "hub.cli", *command]
    child = start_child(name, program, log, topology.env)
    topology.children.append(child)
    return child


def _start_gateway(topology: Topology, name: str) -> Child:
    own = str(topology.folder / name)
    return _start_hub(topology, name, "gateway", "--port", "0", "--data-dir", own)


def _await_gateway(topology: Topology, gateway: Child) -> None:
    address = _await_word(gateway, _ADDRESS).group(1)
    topology.addresses[gateway.name] = address
    _await_ready(gateway, address)


def _await_word(child: Child, word: re.Pattern[str]) -> re.Match[str]:
    """What it writes when it has started. Raises CannotStart."""
    deadline = time.monotonic() + START_S
    while not (found := word.search(child.said())):
        _check(child, deadline)
    return found


def _await_ready(child: Child, address: str) -> None:
    """Until /readyz says so. Raises CannotStart."""
    deadline = time.monotonic() + START_S
    while not _is_ready(address):
        _check(child, deadline)


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/readyz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _check(child: Child, deadline: float) -> None:
    if child.process.poll() is not None or time.monotonic() > deadline:
        raise CannotStart(f"{child.name} did not start: {child.last_line()}")
    time.sleep(0.02)


def _start_nginx(topology: Topology, program: str) -> None:
    nginx = start_nginx(
        program,
        f"127.0.0.1:{topology.port}",
        (topology.addresses["gateway1"], topology.addresses["gateway2"]),
        _inner(topology.folder, "nginx"),
        _inner(topology.folder, "logs") / "nginx.log",
    )
    topology.children.insert(0, nginx)
    topology.nginx = nginx
    topology.engines[nginx.pid] = nginx.name
    _await_ready(nginx, topology.front)


def _stop(topology: Topology) -> None:
    """nginx lets nobody in, gateways send their clients away, workers end what they write."""
    deadline = time.monotonic() + STOP_S
    for child in topology.children:
        child.ask_to_stop()
    for child in topology.children:
        child.end(deadline)


# Telling.


def _announce(topology: Topology) -> None:
    """Where it is and how to get in."""
    front, folder = f"http://{topology.front}", topology.folder
    key_file = folder / "gateway1" / "admin.key"
    if topology.nginx is None:
        _say(f"there is no nginx ({HOW_TO_GET_IT}); the gateways listen each for itself")
    _say(f"roomhub is at {front}")
    _say(f"the key of user_admin is in {key_file}")
    _say(f"log in (once, within 10 minutes): {front}/#ticket={_ticket(front, key_file)}")
    for pid, name in sorted(_pids(topology).items(), key=lambda item: item[1]):
        _say(f"  {name:9} pid {pid:<8} {topology.addresses.get(name, '')}".rstrip())
    _say(f"logs: {folder / 'logs'}; for commands: . {shlex.quote(str(folder / 'hub.env'))}")
    _say("stop with Ctrl-C")


def _pids(topology: Topology) -> dict[int, str]:
    return topology.engines | {child.pid: child.name for child in topology.children}


def _ticket(front: str, key_file: Path) -> str:
    headers = {"Authorization": f"Bearer {key_file.read_text().strip()}"}
    answer = httpx.post(
        f"{front}/v1/tickets", json={"purpose": "login"}, headers=headers, trust_env=False
    )
    return str(answer.raise_for_status().json()["data"]["ticket"])


def _watch(topology: Topology) -> str:
    """Tell of every part that ends, until one does without which nothing goes on."""
    while True:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        pid = ended.si_pid
        if name := topology.engines.get(pid):
            return f"{name} (process {pid}) has ended"
        child = next((each for each in topology.children if each.pid == pid), None)
        if child is None:
            os.waitpid(pid, 0)
            continue
        topology.children.remove(child)
        child.end(time.monotonic())
        _say(f"{child.name} (process {pid}) {_how(child)}; the others go on")


def _how(child: Child) -> str:
    status = child.process.returncode
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}" + (f": {child.last_line()}" if status else "")


if __name__ == "__main__":
    sys.exit(main())
