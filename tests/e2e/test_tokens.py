"""JSON Web Tokens from outside: an application's own backend, or an identity provider, says who
comes, wherever a key would."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from hub.client import open_connection
from hub.client.events import Disconnected, Logged
from tests.e2e.encodings import ENCODINGS
from tests.e2e.listening import Listener, listening
from tests.e2e.people import WAIT_S, Person, add_person, add_room
from tests.e2e.streaming import streaming
from tests.support.hub import HubProcess, run_hub
from tests.support.issuer import (
    AUDIENCE,
    ISSUER,
    SECRET,
    Issuer,
    Pair,
    claims,
    run_issuer,
    shared,
)

INVALID, DENIED = "AUTH_TOKEN_INVALID", "AUTHZ_PERMISSION_DENIED"
PAIRS = (Pair("RS256", "rsa"), Pair("ES256", "ec"), Pair("EdDSA", "ed"))
README = Path(__file__).parents[2] / "README.md"
CUT_S = 2.0  # a second, and another for a machine that is busy
MADE: list[str] = []
"""The tokens of these tests, which must not be in the hub's log."""


def settings(issuer: Issuer) -> dict[str, str]:
    return {
        "HUB_JWT_SECRET": SECRET, "HUB_JWT_JWKS_URL": issuer.url,
        "HUB_JWT_ISSUER": ISSUER, "HUB_JWT_AUDIENCE": AUDIENCE,
    }  # fmt: skip


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with run_issuer(*PAIRS) as running:
        yield running


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[HubProcess]:
    """A hub that takes tokens; none of them is in its log."""
    folder = tmp_path_factory.mktemp("tokens")
    with run_hub(folder, env=settings(issuer) | {"HUB_LOG_LEVEL": "debug"}) as started:
        yield started
    log = "".join(started.output)
    assert MADE
    assert [] == [part for token in MADE for part in token.split(".")[1:] if part in log]


def by_secret(sub: str, life_s: float = 300, **others: Any) -> str:
    token = shared(claims(sub, exp=time.time() + life_s, **others))
    MADE.append(token)
    return token


@contextlib.contextmanager
def using(hub: HubProcess, token: str, user_id: str) -> Iterator[Person]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=hub.address, headers=headers, trust_env=False) as client:
        yield Person(user_id, token, "", client)


@pytest.fixture
def alice(hub: HubProcess) -> Iterator[Person]:
    """A user of the tenant, who has no key."""
    with hub.client() as admin:
        user_id = f"user_alice_{len(MADE)}"
        body = {"type": "user", "id": user_id, "name": "Alice"}
        admin.post("/v1/participants", json=body).raise_for_status()
    with using(hub, by_secret(user_id), user_id) as person:
        yield person


def disable(hub: HubProcess, user_id: str) -> None:
    with hub.client() as admin:
        admin.delete(f"/v1/participants/{user_id}").raise_for_status()


@contextlib.asynccontextmanager
async def dialled(hub: HubProcess, token: str) -> AsyncIterator[tuple[dict[str, Any], Listener]]:
    """A connection that said who it is in its first frame, past its hello."""
    async with connect(hub.ws_address, proxy=None) as socket:
        encoding = ENCODINGS[0]
        await socket.send(encoding.dump({"type": "auth", "token": token}))
        hello = encoding.load(await socket.recv())
        assert "hello" == hello["type"]
        yield hello, Listener(socket, encoding)


async def closed(socket: ClientConnection) -> tuple[int, str]:
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(WAIT_S):
            while True:
                await socket.recv()
    return socket.close_code or 0, socket.close_reason or ""


def test_a_token_posts_and_reads_as_its_participant(hub: HubProcess, alice: Person) -> None:
    room_id = add_room(alice)
    path = f"/v1/rooms/{room_id}/messages"
    posted = alice.client.post(path, json={"content": "hello"})
    assert (201, alice.id) == (posted.status_code, posted.json()["data"]["author"]["id"])
    assert "hello" in alice.client.get(path).text
    me = alice.client.get("/v1/me").json()["data"]
    assert (alice.id, "default", "tenant_user", ["read", "write"], f"jwt:default:{alice.id}") == (
        me["participant"]["id"], me["tenant"], me["role"], me["scopes"], me["key_id"],
    )  # fmt: skip
    assert me["expires_at"].startswith(time.strftime("%Y-"))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.algorithm)
def test_a_token_of_an_identity_provider_is_as_good(
    hub: HubProcess, alice: Person, pair: Pair
) -> None:
    token = pair.sign(claims(alice.id))
    MADE.append(token)
    with using(hub, token, alice.id) as person:
        add_room(person)
        forged = Pair(pair.algorithm, pair.kid, number=2).sign(claims(alice.id))
        person.client.headers["Authorization"] = f"Bearer {forged}"
        answer = person.client.get("/v1/me")
        assert (401, INVALID) == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ({"exp": 1_700_000_000}, "the token has expired"),
        ({"aud": "https://other.example"}, f"audience (aud) must be {AUDIENCE}"),
        ({"iss": "https://other.example"}, f"issuer (iss) must be {ISSUER}"),
        ({"sub": "user_of_nobody"}, "there is no participant user_of_nobody"),
        ({"sub": "auth0|1234"}, "must be a participant's id, like user_alice"),
        ({"tenant": "elsewhere"}, "there is no participant user_alice"),
        ({"scopes": ["admin"]}, 'must be ["read"] or ["read", "write"]'),
    ],
)
async def test_what_is_wrong_with_a_token_is_said_over_http_and_websocket(
    hub: HubProcess, alice: Person, others: dict[str, Any], why: str
) -> None:
    token = shared(claims(alice.id) | others)
    MADE.append(token)
    async with httpx.AsyncClient(base_url=hub.address, trust_env=False) as client:
        headers = {"Authorization": f"Bearer {token}"}
        answer = await client.get("/v1/me", headers=headers)
    error = answer.json()["error"]
    assert (401, INVALID) == (answer.status_code, error["code"])
    assert why in error["message"]
    assert "Bearer" == answer.headers["WWW-Authenticate"]
    assert token.split(".")[2] not in answer.text
    for sent in (headers, {}):
        async with connect(hub.ws_address, additional_headers=sent, proxy=None) as socket:
            if not sent:
                first = {"type": "auth", "token": token}
                await socket.send(ENCODINGS[0].dump(first))
            assert (4401, error["message"]) == await closed(socket)


async def test_a_socket_by_header_and_one_by_its_first_frame_hear_and_post(
    hub: HubProcess, alice: Person
) -> None:
    room_id = add_room(alice)
    async with listening(hub, alice) as one, dialled(hub, alice.key) as (hello, other):
        assert alice.id == hello["participant"]["id"]
        for line in (one, other):
            await line.subscribe(room_id)
        assert (await other.ask("post", room_id=room_id, content="by a token"))["ok"]
        await one.until(lambda event: event["type"] == "message.created")
        assert ["by a token"] == one.contents


async def test_before_a_token_ends_it_is_said_and_another_keeps_the_socket_open(
    hub: HubProcess, alice: Person
) -> None:
    ends_s = time.time() + 4
    async with (
        dialled(hub, by_secret(alice.id, 4)) as (hello, renewed),
        dialled(hub, by_secret(alice.id, 4)) as (_, left),
        streaming(hub, Person(alice.id, by_secret(alice.id, 4), "", alice.client),
                  add_room(alice)) as stream,
    ):  # fmt: skip
        for line in (renewed, left):
            told = await line.until(lambda event: event["type"] == "auth.expiring")
            assert hello["expires_at"][:19] == told["data"]["expires_at"][:19]
        stranger = await renewed.ask("auth", token=by_secret("user_alice"))
        assert "same participant" in stranger["error"]["message"]
        expired = await renewed.ask("auth", token=by_secret(alice.id, -1))
        assert "has expired" in expired["error"]["message"]
        reply = await renewed.ask("auth", token=by_secret(alice.id))
        assert reply["ok"] and reply["data"]["expires_at"] > hello["expires_at"]
        assert (4402, "the token has expired; authenticate again") == await closed(left.socket)
        assert ends_s - 1 <= time.time() <= ends_s + CUT_S
        await stream.to_its_end(CUT_S)
        assert "the token has expired" == stream.events[-1]["error"]["message"]
        assert (await renewed.ask("ping"))["ok"]


async def test_who_is_disabled_is_cut_off_within_a_second(hub: HubProcess, alice: Person) -> None:
    room_id = add_room(alice)
    async with dialled(hub, alice.key) as (_, line), streaming(hub, alice, room_id) as stream:
        await line.subscribe(room_id)
        await stream.until(lambda event: event["type"] == "subscribed")
        disable(hub, alice.id)
        async with asyncio.timeout(CUT_S):
            assert (4410, "the participant was disabled") == await closed(line.socket)
            await stream.to_its_end()
        assert "the participant was disabled" == stream.events[-1]["error"]["message"]
    for token in (alice.key, by_secret(alice.id)):
        with using(hub, token, alice.id) as late:
            answer = late.client.get("/v1/me")
            assert 401 == answer.status_code
            assert "was disabled" in answer.json()["error"]["message"]


async def test_a_token_that_only_reads_changes_nothing_and_neither_does_its_ticket(
    hub: HubProcess, alice: Person
) -> None:
    room_id = add_room(alice)
    path = f"/v1/rooms/{room_id}/messages"
    with using(hub, by_secret(alice.id, scopes=["read"]), alice.id) as reader:
        assert 200 == reader.client.get(path).status_code
        assert 403 == reader.client.post(path, json={"content": "no"}).status_code
        ticket = reader.client.post("/v1/tickets", json={"purpose": "ws"}).raise_for_status()
    url = f"{hub.ws_address}?ticket={ticket.json()['data']['ticket']}"
    async with connect(url, proxy=None) as socket:
        line = Listener(socket, ENCODINGS[0])
        assert alice.id == ENCODINGS[0].load(await socket.recv())["participant"]["id"]
        await line.subscribe(room_id)
        refused = await line.ask("post", room_id=room_id, content="no")
        assert DENIED == refused["error"]["code"]
    async with connect(url, proxy=None) as again:
        assert 4401 == (await closed(again))[0]


async def test_a_ticket_ends_with_its_token(hub: HubProcess, alice: Person) -> None:
    with using(hub, by_secret(alice.id, 3), alice.id) as short:
        made = short.client.post("/v1/tickets", json={"purpose": "ws"}).raise_for_status()
        ends_at = short.client.get("/v1/me").json()["data"]["expires_at"]
    assert ends_at == made.json()["data"]["expires_at"]
    url = f"{hub.ws_address}?ticket={made.json()['data']['ticket']}"
    async with connect(url, proxy=None) as socket:
        assert 4402 == (await closed(socket))[0]


@pytest.mark.parametrize("sub", ["user_admin", "user_alice"])
def test_no_token_makes_an_admin_a_key_or_a_log_in(hub: HubProcess, sub: str) -> None:
    token = by_secret(sub, role="tenant_admin", scopes=["read", "write"])
    with using(hub, token, sub) as caller:
        assert "tenant_user" == caller.client.get("/v1/me").json()["data"]["role"]
        for path, body in (
            ("/v1/api-keys", {"name": "k"}),
            ("/v1/tickets", {"purpose": "login"}),
            ("/v1/participants", {"type": "user", "id": "user_x", "name": "X"}),
        ):
            answer = caller.client.post(path, json=body)
            assert (403, DENIED) == (answer.status_code, answer.json()["error"]["code"])
        assert 403 == caller.client.get("/v1/audit-log").status_code


async def test_the_client_asks_for_another_token_when_one_has_ended(
    hub: HubProcess, alice: Person
) -> None:
    room_id, fetched, heard = add_room(alice), 0, ""

    async def fetch() -> str:
        nonlocal fetched
        fetched += 1
        return by_secret(alice.id, 2 if fetched == 1 else 300)

    async with asyncio.timeout(WAIT_S), open_connection(hub.address, fetch) as line:
        await line.subscribe(room_id)
        async for event in line:
            if isinstance(event, Disconnected):
                assert 4402 == event.code
                alice.client.post(f"/v1/rooms/{room_id}/messages", json={"content": "missed"})
            if isinstance(event, Logged) and event.type == "message.created":
                heard = event.data["content"]
                break
    assert ("missed", 2) == (heard, fetched)


def test_what_counts_by_key_counts_all_tokens_of_a_participant(
    tmp_path_factory: pytest.TempPathFactory, issuer: Issuer
) -> None:
    env = settings(issuer) | {"HUB_CONNECTIONS_PER_KEY": "2"}
    with run_hub(tmp_path_factory.mktemp("few"), env=env) as small:
        person = add_person(small, "alice")
        with person.client:
            asyncio.run(_fill(small, person))


async def _fill(hub: HubProcess, person: Person) -> None:
    async with contextlib.AsyncExitStack() as open_lines:
        for _ in range(2):
            token = by_secret(person.id, 300 + len(MADE))
            await open_lines.enter_async_context(dialled(hub, token))
        async with connect(hub.ws_address, proxy=None) as socket:
            first = {"type": "auth", "token": by_secret(person.id, 300 + len(MADE))}
            await socket.send(ENCODINGS[0].dump(first))
            assert 4429 == (await closed(socket))[0]
        async with listening(hub, person) as by_key:  # a key is counted for itself
            assert (await by_key.ask("ping"))["ok"]


@pytest.mark.slow
def test_a_hub_starts_without_its_identity_provider_and_finds_it_later(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with run_issuer(PAIRS[1]) as issuer:
        issuer.status = 503
        with run_hub(tmp_path_factory.mktemp("away"), env=settings(issuer)) as hub:
            signed = {"Authorization": f"Bearer {PAIRS[1].sign(claims('user_alice'))}"}
            own = {"Authorization": f"Bearer {by_secret('user_alice')}"}
            with httpx.Client(base_url=hub.address, trust_env=False) as client:
                answer = client.get("/v1/me", headers=signed)
                assert (503, "AUTH_UNAVAILABLE") == (
                    answer.status_code, answer.json()["error"]["code"],
                )  # fmt: skip
                assert int(answer.headers["Retry-After"]) > 0
                assert 200 == client.get("/v1/me", headers=own).status_code
                issuer.status = 200
                deadline = time.monotonic() + WAIT_S
                while client.get("/v1/me", headers=signed).status_code != 200:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)


def test_the_token_that_the_readme_makes_is_good(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_JWT_SECRET", SECRET)
    found = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (made,) = [each for each in found if "token_for" in each]
    names: dict[str, Any] = {}
    exec(made, names)
    with run_hub(tmp_path_factory.mktemp("readme"), env={"HUB_JWT_SECRET": SECRET}) as hub:
        with using(hub, names["token_for"]("user_alice"), "user_alice") as alice:
            add_room(alice)


def test_a_hub_that_trusts_nobody_says_how_it_would(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with run_hub(tmp_path_factory.mktemp("off")) as hub, httpx.Client(trust_env=False) as client:
        headers = {"Authorization": f"Bearer {by_secret('user_alice')}"}
        answer = client.get(f"{hub.address}/v1/me", headers=headers)
    assert 401 == answer.status_code
    assert "HUB_JWT_SECRET or HUB_JWT_JWKS_URL is not set" in answer.text
