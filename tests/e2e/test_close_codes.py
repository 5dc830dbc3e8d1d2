"""Every close code of the contract, as a client of a started hub sees it."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.people import Person, add_person, add_room
from tests.e2e.raw import CLOSE, RawSocket, open_raw
from tests.support.hub import HubProcess, run_hub

LIMITS = {
    "HUB_COMMANDS_PER_S": "20",
    "HUB_CONNECTIONS_PER_KEY": "2",
    "HUB_STRANGERS_PER_ADDRESS": "3",
    "HUB_PENDING_BYTES": "100000",
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub that allows little."""
    with run_hub(tmp_path_factory.mktemp("closes"), env=LIMITS) as started:
        yield started


@pytest.fixture
def caller(hub: HubProcess) -> Iterator[Person]:
    person = add_person(hub, "caller")
    with person.client:
        yield person


def bearer(key: str) -> bytes:
    return f"Authorization: Bearer {key}".encode()


def closed(socket: RawSocket) -> tuple[int, str]:
    """Code and reason of the Close that comes."""
    while (found := socket.receive()) is not None:
        if found[0] == CLOSE:
            return int.from_bytes(found[1][:2], "big"), found[1][2:].decode()
    raise AssertionError("the connection ended without a Close")


def greeted(socket: RawSocket) -> None:
    found = socket.receive()
    assert found is not None
    assert "hello" == json.loads(found[1])["type"], found


def test_1009_a_frame_too_big(hub: HubProcess, caller: Person) -> None:
    with open_raw(hub, bearer(caller.key)) as socket:
        socket.send(b" " * 65_537)
        assert 1009 == closed(socket)[0]


def test_4401_a_wrong_key(hub: HubProcess) -> None:
    with open_raw(hub, bearer("rhk_a_b")) as socket:
        assert 4401 == closed(socket)[0]


def test_4402_a_key_that_expires_while_it_is_used(hub: HubProcess, caller: Person) -> None:
    expires = (datetime.now(UTC) + timedelta(seconds=2)).isoformat().replace("+00:00", "Z")
    made = caller.client.post("/v1/api-keys", json={"name": "short", "expires_at": expires})
    with open_raw(hub, bearer(made.json()["data"]["key"])) as socket:
        greeted(socket)
        assert 4402 == closed(socket)[0]


def test_4403_a_foreign_origin(hub: HubProcess, caller: Person) -> None:
    with open_raw(hub, bearer(caller.key), b"Origin: https://evil.example") as socket:
        assert 4403 == closed(socket)[0]


def test_4408_a_slow_client_once_it_reads_again(hub: HubProcess, caller: Person) -> None:
    """What ephemeral events were dropped before is in `tests/gateway`."""
    room_id = add_room(caller)
    with open_raw(hub, bearer(caller.key)) as socket:
        greeted(socket)
        subscribe = {"id": 1, "type": "subscribe", "room_id": room_id}
        socket.send(json.dumps(subscribe).encode())
        path = f"/v1/rooms/{room_id}/messages"
        for _ in range(80):  # more than both kernels keep, and the bound
            caller.client.post(path, json={"content": "x" * 32_000}).raise_for_status()
        assert (4408, "slow, resume") == closed(socket)


def test_4410_a_key_that_is_revoked(hub: HubProcess, caller: Person) -> None:
    made = caller.client.post("/v1/api-keys", json={"name": "revoked"}).json()["data"]
    with open_raw(hub, bearer(made["key"])) as socket:
        greeted(socket)
        began = time.monotonic()
        caller.client.delete(f"/v1/api-keys/{made['id']}").raise_for_status()
        assert 4410 == closed(socket)[0]
        assert time.monotonic() - began < 5


def test_4429_too_many_commands_after_a_warning(hub: HubProcess, caller: Person) -> None:
    """A rate is served, as much again is refused one by one, who goes on is closed."""
    with open_raw(hub, bearer(caller.key)) as socket:
        greeted(socket)
        ping = socket.frame(b'{"id":1,"type":"ping"}')
        socket.connection.sendall(ping * 20)
        assert [True] * 20 == [_reply(socket)["ok"] for _ in range(20)]
        socket.connection.sendall(ping * 300)
        codes = []
        while (reply := _reply(socket)) and "code" not in reply:
            codes.append(reply["ok"] or reply["error"]["code"])
        assert "RATE_LIMITED" in codes
        assert 4429 == reply["code"]
        assert json.loads(reply["reason"])["retry_s"] >= 1


def _reply(socket: RawSocket) -> dict[str, Any]:
    """The next reply, or code and reason of the Close."""
    while (found := socket.receive()) is not None:
        if found[0] == CLOSE:
            code = int.from_bytes(found[1][:2], "big")
            return {"code": code, "reason": found[1][2:].decode()}
        frame: dict[str, Any] = json.loads(found[1])
        if frame["type"] == "reply":
            return frame
    return {"code": None}


def test_4429_too_many_connections_with_one_key(hub: HubProcess, caller: Person) -> None:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(open_raw(hub, bearer(caller.key))) for _ in range(2)]
        for socket in held:
            greeted(socket)
        third = stack.enter_context(open_raw(hub, bearer(caller.key)))
        assert (4429, '{"retry_s":5}') == closed(third)
        late = stack.enter_context(open_raw(hub))
        late.send(json.dumps({"type": "auth", "token": caller.key}).encode())
        assert (4429, '{"retry_s":5}') == closed(late)
        held[0].send(b"\x03\xe8", CLOSE)
        assert 1000 == closed(held[0])[0]
        greeted(stack.enter_context(open_raw(hub, bearer(caller.key))))


def test_4429_too_many_strangers_from_one_address(hub: HubProcess, caller: Person) -> None:
    with contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(open_raw(hub)) for _ in range(3)]
        assert (4429, '{"retry_s":5}') == closed(stack.enter_context(open_raw(hub)))
        strangers[0].send(json.dumps({"type": "auth", "token": caller.key}).encode())
        greeted(strangers[0])
        stack.enter_context(open_raw(hub))
        assert (4429, '{"retry_s":5}') == closed(stack.enter_context(open_raw(hub)))


def test_who_says_who_it_is_at_once_is_no_stranger(hub: HubProcess, caller: Person) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(open_raw(hub))
        greeted(stack.enter_context(open_raw(hub, bearer(caller.key))))


def test_1012_a_hub_that_stops(hub: HubProcess, caller: Person) -> None:
    """The last test of this file: the hub is gone after it."""
    with open_raw(hub, bearer(caller.key)) as socket:
        greeted(socket)
        assert hub.process is not None
        hub.process.send_signal(signal.SIGTERM)
        code, reason = closed(socket)
        socket.send(code.to_bytes(2, "big"), CLOSE)
    assert (1012, 2) == (code, json.loads(reason)["retry_s"])
    assert 0 == hub.process.wait(20)
