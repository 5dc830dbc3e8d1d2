"""`roomhub demo`: three people and an AI in a room of a running hub, as two of them see it live.

Alice and Bob are connected over WebSocket, Carol asks over REST. `play` is the whole scene; what
each client saw comes back as frozen values.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from hub.cli.reach import Reached, Stop, stop_for
from hub.cli.screens import Screens, open_screens
from hub.client import (
    DraftGrew,
    Logged,
    RoomConnection,
    RoomhubClient,
    open_client,
    open_connection,
)
from hub.core.errors import HubError, Missing, Unauthenticated
from hub.core.values import Json

PATIENCE_S: Final = 90.0
KEY_MINUTES: Final = 10
ALICE: Final = "user_alice"
BOB: Final = "user_bob"
CAROL: Final = "user_carol"
REVIEWER: Final = "bot_design_reviewer"
HELLO: Final = "Bob, the new checkout is on staging. Have you seen it?"
ANSWER: Final = "Just now. It is faster, but the address form still feels long."
QUESTION: Final = "@design_reviewer we need a fresh eye on the checkout: {nonce}."


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the reply as one client received it, `at_ms` after the scene began."""

    at_ms: float
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What one client received: the streamed pieces, the final message, and how the run ended."""

    name: str
    deltas: tuple[Delta, ...]
    message: Json | None
    finished: Json

    @property
    def text(self) -> str:
        """The pieces, joined."""
        return "".join(delta.text for delta in self.deltas)


@dataclass(frozen=True, slots=True)
class Played:
    """The whole scene: `reply` is the stored message in the thread of Carol's question, which was
    sent `asked_ms` after the beginning and carries `nonce`."""

    room_id: str
    nonce: str
    asked_ms: float
    reply: Json
    alice: Seen
    bob: Seen

    @property
    def whole(self) -> bool:
        """True when both clients' pieces join to the stored reply."""
        stored = str(self.reply["content"])
        return self.alice.text == stored and self.bob.text == stored


class _Viewer:
    """One live client: shows what comes and keeps it."""

    def __init__(self, name: str, connection: RoomConnection, began: float, to: Screens) -> None:
        self.connection = connection
        self._name = name
        self._began = began
        self._screens = to
        self._deltas: list[Delta] = []
        self._messages: dict[str, Json] = {}
        self._news = asyncio.Condition()

    async def watch(self) -> Seen:
        """Until the run that the question started has ended."""
        async for event in self.connection:
            at_ms = (time.monotonic() - self._began) * 1000
            if isinstance(event, DraftGrew):
                self._deltas.append(Delta(at_ms, event.offset, event.text))
                self._screens.grew(self._name, at_ms, event)
            elif isinstance(event, Logged) and event.type == "message.created":
                self._screens.said(self._name, at_ms, event.data)
                await self._keep(event.data)
            elif isinstance(event, Logged) and event.type == "run.finished":
                message = self._messages.get(event.data["message_id"])
                return Seen(self._name, tuple(self._deltas), message, event.data)
        raise Stop(f"the hub closed the connection of {self._name}")

    async def _keep(self, message: Json) -> None:
        async with self._news:
            self._messages[message["id"]] = message
            self._news.notify_all()

    async def hears(self, message_id: str) -> None:
        """Returns when the message has come."""
        async with self._news:
            await self._news.wait_for(lambda: message_id in self._messages)


async def play(hub: Reached, screens: Screens) -> Played:
    """The scene on a running hub. Its keys are revoked at the end; the room stays. Raises Stop."""
    try:
        async with asyncio.timeout(PATIENCE_S), open_client(hub.address, hub.key) as admin:
            async with _temporary_keys(admin, ALICE, BOB, CAROL) as keys:
                return await _play(hub.address, admin, keys, screens)
    except TimeoutError:
        raise Stop(f"no reply came within {PATIENCE_S:g} s; are the workers running?") from None
    except Exception as error:
        if stop := stop_for(error):
            raise stop from None
        raise


async def check(hub: Reached) -> None:
    """Stop unless the hub answers, the key is an admin's and everybody of the scene is there."""
    try:
        async with open_client(hub.address, hub.key) as admin:
            if (await admin.me())["role"] != "tenant_admin":
                raise Stop("the demo makes keys, so it needs the key of a tenant_admin")
            for who in (ALICE, BOB, CAROL, REVIEWER):
                await admin.participant(who)
    except Unauthenticated as error:
        raise Stop(f"the hub at {hub.address} refuses the key: {error.message}") from None
    except Missing:
        raise Stop(
            f"the hub at {hub.address} has no {who}; was it started with --no-demo?"
        ) from None
    except HubError as error:
        raise Stop(error.message) from None


@contextlib.asynccontextmanager
async def _temporary_keys(admin: RoomhubClient, *owners: str) -> AsyncIterator[dict[str, str]]:
    """A key for each participant, revoked at the end; should that fail it soon expires."""
    expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=KEY_MINUTES)
    made: list[Json] = []
    try:
        for owner in owners:
            about = {"name": "demo", "participant_id": owner, "expires_at": expiry.isoformat()}
            made.append(await admin.create_key(about))
        yield {key["participant_id"]: key["key"] for key in made}
    finally:
        for key in made:
            with contextlib.suppress(HubError):
                await admin.revoke_key(key["id"])


async def _play(
    address: str, admin: RoomhubClient, keys: dict[str, str], screens: Screens
) -> Played:
    members = [{"type": who.split("_")[0], "id": who} for who in (ALICE, BOB, CAROL, REVIEWER)]
    room = await admin.create_room("Demo", members=members)
    async with (
        open_connection(address, keys[ALICE]) as for_alice,
        open_connection(address, keys[BOB]) as for_bob,
        open_client(address, keys[CAROL]) as carol,
    ):
        await for_alice.subscribe(room["id"])
        await for_bob.subscribe(room["id"])
        began = time.monotonic()
        alice = _Viewer("Alice", for_alice, began, screens)
        bob = _Viewer("Bob", for_bob, began, screens)
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(viewer.watch()) for viewer in (alice, bob)]
            await _chat(alice, bob, room["id"])
            asked_ms, nonce = (time.monotonic() - began) * 1000, _nonce()
            question = await _ask(carol, room["id"], nonce)
        saw_alice, saw_bob = [task.result() for task in watching]
        reply = await _stored_reply(carol, question, saw_alice.finished)
        return Played(room["id"], nonce, asked_ms, reply, saw_alice, saw_bob)


def _nonce() -> str:
    """Something no AI can have said before."""
    return f"CK-{secrets.randbelow(10**6):06d}"


async def _chat(alice: _Viewer, bob: _Viewer, room_id: str) -> None:
    """Two people over WebSocket: each speaks when the other was heard."""
    said = await alice.connection.post(room_id, HELLO)
    await bob.hears(said.id)
    said = await bob.connection.post(room_id, ANSWER)
    await alice.hears(said.id)


async def _ask(carol: RoomhubClient, room_id: str, nonce: str) -> Json:
    """The stored question over REST, which has started a run."""
    mention = [{"type": "bot", "id": REVIEWER}]
    question = await carol.post(room_id, QUESTION.format(nonce=nonce), mention=mention)
    if not question["runs"]:
        raise Stop(f"the mention started no run; has {REVIEWER} a driver?")
    return question


async def _stored_reply(client: RoomhubClient, question: Json, finished: Json) -> Json:
    """The one reply in the thread; Stop when the AI gave none."""
    if finished["state"] != "succeeded":
        raise Stop(f"the AI did not answer: {finished['reason'] or finished['state']}")
    thread = await client.thread(question["room_id"], question["id"])
    if len(thread) != 2:
        raise Stop(f"the thread has {len(thread) - 1} replies instead of one")
    return thread[1]


def demo(hub: Reached, console: Console) -> None:
    """Play the scene on the console and sum it up. Raises Stop."""
    asyncio.run(check(hub))
    console.print(f"roomhub at {hub.address}: Alice and Bob are in room Demo", highlight=False)
    with open_screens(console, ("Alice", "Bob")) as screens:
        played = asyncio.run(play(hub, screens))
    console.print()
    console.print(facts(played), highlight=False, soft_wrap=True)
    if not played.whole:
        raise Stop("the pieces that were streamed do not join to the stored reply")


def facts(played: Played) -> str:
    """What can be counted of the scene, in one line."""
    counts = ", ".join(f"{seen.name} saw {len(seen.deltas)} deltas" for seen in _both(played))
    firsts = [seen.deltas[0].at_ms - played.asked_ms for seen in _both(played) if seen.deltas]
    first = f"first after {min(firsts):.0f} ms" if firsts else "none came"
    joined = "equal the stored reply" if played.whole else "differ from the stored reply"
    named = "names" if played.nonce in played.reply["content"] else "does not name"
    return f"{counts}; {first}; joined they {joined}, which {named} {played.nonce}."


def _both(played: Played) -> tuple[Seen, Seen]:
    return played.alice, played.bob
