"""Posting a message, and waiting for the AI participants that it asks."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from hub.cli.follow import follow
from hub.cli.found import find_room
from hub.cli.lines import line_of, said
from hub.cli.reach import Reached, Stop
from hub.cli.show import printable
from hub.client import Logged, RoomhubClient, open_client, open_connection
from hub.core.errors import Denied, Missing, Unavailable
from hub.core.runs import OPEN
from hub.core.values import Json

PAUSES_S: Final = (0.5, 1.0, 2.0)
Show = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class Posting:
    """What is to be posted: `mention` is a list of `{type, id}`, `join` becomes a member first."""

    text: str
    mention: list[Json]
    thread_id: str | None = None
    join: bool = False


@dataclass(slots=True)
class Outcome:
    """The stored message; of the runs that it started their replies, and how each has ended."""

    posted: Json
    replies: list[Json] = field(default_factory=list)
    ended: list[Json] = field(default_factory=list)

    @property
    def failed(self) -> str:
        """Who did not answer, in one line; empty when everybody did, or chose to be silent."""
        states = {run["run_id"]: run["state"] for run in self.ended}
        bad = [
            f"{run['participant']['id']}: {states[run['id']]} ({run['id']})"
            for run in self.posted["runs"]
            if states.get(run["id"], "silent") not in ("succeeded", "silent")
        ]
        return f"no reply of {', '.join(bad)}" if bad else ""

    def as_dict(self) -> Json:
        return self.posted | {"replies": self.replies, "ended": self.ended}


async def post_and_wait(
    hub: Reached, given: str, posting: Posting, wait_s: float | None, show: Show
) -> Outcome:
    """Post into the room that `given` names; with `wait_s` until every run it started has ended.
    `show` is given lines as they come to be. Stop when they have not ended in time."""
    async with open_client(hub.address, hub.key) as client:
        room = await find_room(client, given)
        posted = await post_once(client, room, posting)
        show(posted["id"])
        for run in posted["runs"]:
            reason = f" ({run['reason']})" if run.get("reason") else ""
            show(f"{run['id']}  {run['participant']['id']}  {run['state']}{reason}")
        outcome = Outcome(posted)
        if wait_s is not None and posted["runs"]:
            await _wait(hub, client, room, outcome, wait_s, show)
        return outcome


async def post_once(
    client: RoomhubClient, room: Json, posting: Posting, pauses_s: Sequence[float] = PAUSES_S
) -> Json:
    """Where nobody knows whether it was stored it is posted again, as the same post."""
    if posting.join:
        me = (await client.me())["participant"]
        await client.add_member(room["id"], {"type": me["type"], "id": me["id"]})
    client_id = uuid.uuid4().hex
    for pause_s in pauses_s:
        try:
            return await _say(client, room["id"], posting, client_id)
        except Unavailable:
            await asyncio.sleep(pause_s)
    return await _say(client, room["id"], posting, client_id)


async def _say(client: RoomhubClient, room_id: str, posting: Posting, client_id: str) -> Json:
    text, mention, thread_id = posting.text, posting.mention, posting.thread_id
    try:
        if thread_id is None:
            return await client.post(room_id, text, mention=mention, client_id=client_id)
        return await client.reply(room_id, thread_id, text, mention=mention, client_id=client_id)
    except Missing as error:
        if error.code != "MESSAGE_NOT_FOUND":
            raise
        said = printable(thread_id or "")
        raise Stop(f"--thread {said}: there is no such message in the room") from None
    except Denied as error:
        hint = "" if posting.join else "; --join makes you one first"
        raise Stop(f"{error.message}{hint}") from None


async def _wait(
    hub: Reached, client: RoomhubClient, room: Json, outcome: Outcome, wait_s: float, show: Show
) -> None:
    """From before the post on, so that nothing can have come in between."""
    waiting = {run["id"] for run in outcome.posted["runs"] if run["state"] in OPEN}
    outcome.ended += [
        {"run_id": run["id"], "participant": run["participant"], "state": run["state"],
         "reason": run.get("reason"), "error": None}
        for run in outcome.posted["runs"] if run["state"] not in OPEN
    ]  # fmt: skip
    try:
        async with (
            asyncio.timeout(wait_s),
            open_connection(hub.address, hub.key) as connection,
            aclosing(follow(client, connection, room, room["head"])) as events,
        ):
            while waiting:
                _take(await anext(events), waiting, outcome, show)
    except TimeoutError:
        left = ", ".join(sorted(waiting))
        raise Stop(
            f"after {wait_s:g} s not ended yet: {left}; see: roomhub runs show RUN"
        ) from None
    except StopAsyncIteration:
        raise Stop("the hub ended the connection") from None


def _take(event: object, waiting: set[str], outcome: Outcome, show: Show) -> None:
    """Note what an entry of the log says about the runs that are waited for."""
    if not isinstance(event, Logged):
        return
    run_id = event.data.get("run_id")
    if run_id not in waiting:
        return
    if event.type == "message.created":
        outcome.replies.append(event.data)
        show(said(event.at, event.data))
    elif event.type == "run.finished":
        waiting.discard(run_id)
        outcome.ended.append(event.data)
        if line := line_of(event.type, event.at, event.data):
            show(line)
    elif event.type == "run.waiting":
        show(line_of(event.type, event.at, event.data))
