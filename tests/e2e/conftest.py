"""People who use the shared hub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

from tests.e2e.encodings import ENCODINGS, Encoding
from tests.e2e.people import Person, add_person, add_room
from tests.e2e.refusals import BOT, Line, Stage
from tests.e2e.upstreams import Served, serve
from tests.support.hub import HubProcess


@pytest.fixture
def person(hub: HubProcess) -> Iterator[Person]:
    """A user without rooms or sessions."""
    made = add_person(hub, "person")
    with made.client:
        yield made


@pytest.fixture
def stranger(hub: HubProcess) -> Iterator[Person]:
    """Another user, a member of nothing."""
    made = add_person(hub, "stranger")
    with made.client:
        yield made


@pytest.fixture
def tenant_admin(hub: HubProcess) -> Iterator[Person]:
    """A tenant_admin who owns nothing."""
    made = add_person(hub, "chief", "tenant_admin")
    with made.client:
        yield made


@pytest.fixture(scope="module")
def stage(hub: HubProcess) -> Iterator[Stage]:
    owner, other = add_person(hub, "owner"), add_person(hub, "other")
    with owner.client, other.client:
        room_id, foreign_id = add_room(owner, [BOT["id"]]), add_room(other)
        path = f"/v1/rooms/{room_id}/messages"
        posted = [owner.client.post(path, json={"content": text}).json() for text in ("a", "b")]
        made = owner.client.post("/v1/sessions", json={"model": "builtin/eliza"}).json()
        yield Stage(
            hub, owner, other, room_id, foreign_id, posted[0]["data"]["id"], made["data"]["id"]
        )


@pytest.fixture(scope="module", params=ENCODINGS, ids=lambda encoding: encoding.name)
def encoding(request: pytest.FixtureRequest) -> Encoding:
    """JSON, then MessagePack."""
    chosen: Encoding = request.param
    return chosen


@pytest.fixture(scope="module")
def line(stage: Stage, encoding: Encoding) -> Iterator[Line]:
    """The owner's WebSocket."""
    with connect(
        stage.hub.ws_address,
        additional_headers=stage.owner.headers,
        subprotocols=[encoding.protocol],
        proxy=None,
    ) as socket:
        line = Line(socket, encoding)
        assert "hello" == line.recv()["type"]
        yield line


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A hub of its own whose models are served by two kinds of servers."""
    with serve(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def nothing_is_stored(stage: Stage) -> Iterator[None]:
    before = stage.stored()
    yield
    assert before == stage.stored()
