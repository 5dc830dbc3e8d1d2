"""A room's log without a WebSocket: read, waited for, streamed. The same events, seqs and epoch, so
that a client may change over in mid-conversation."""

from __future__ import annotations

import asyncio
from typing import Final

import orjson
from starlette.responses import Response

from hub.core.errors import HubError, Missing, invalid, missing
from hub.core.posts import LogRow
from hub.core.times import rfc3339
from hub.core.values import Json
from hub.gateway.joining import Cursor, Joining, continues
from hub.gateway.reader import RoomReader, open_reader, prepare_reader
from hub.gateway.rest.call import Answer, Call, Operation, envelope
from hub.gateway.sse import EventStream, Say, gone
from hub.parts import now_ms
from hub.ports import Standing
from hub.wire.events import event
from hub.wire.sse import sse

WAIT_MOST_S: Final = 60
RETRY_MS: Final = 2_000


async def events(call: Call) -> Response:
    """The log after `since`; with `wait`, an answer as soon as there is anything, at the latest
    after so many seconds. A cursor that does not fit the log is answered `recovered: false`."""
    room_id, limit = call.path("room_id"), call.limit()
    wait_s = call.number("wait", most=WAIT_MOST_S) or 0
    cursor = call.cursor(f"events/{room_id}")
    since = int(cursor) if cursor else call.number("since") or 0
    at = Cursor(since, call.query("epoch"))
    if wait_s and (heard := await _heard(call, room_id, at, wait_s)):
        return heard
    async with call.turn(limit):
        found = await call.parts.messages.log(call.actor, room_id, since=since, limit=limit + 1)
        return envelope(await _told(call, room_id, at, found))


async def _heard(call: Call, room_id: str, at: Cursor, wait_s: int) -> Response | None:
    """Wait where nothing is behind a cursor that fits, and answer with what comes, as it came: many
    may wait for the same. None when the log has to be read."""
    deadline = asyncio.get_running_loop().time() + wait_s
    if not _is_at(at, await call.gateway.fanout.standing(room_id)):
        return None
    async with open_reader(call.gateway, call.actor, room_id) as (reader, joining):
        if joining.position != at.since:
            return None
        bodies = await _something(call, reader, deadline)
    if not bodies:
        return None
    await call.parts.views.fresh(call.actor, room_id)  # it may have been about this client
    await call.gateway.pace()
    return envelope(_answer_of(call, bodies, joining))


def _is_at(at: Cursor, standing: Standing | None) -> bool:
    return standing is not None and continues(at, standing.head) and at.since == standing.head.head


def _answer_of(call: Call, bodies: list[bytes], joining: Joining) -> Answer:
    shown, room_id = bodies[: call.limit()], joining.joined.room_id
    head = orjson.loads(bodies[-1])["seq"]
    more = None
    if len(bodies) > len(shown):
        more = call.next(f"events/{room_id}", str(orjson.loads(shown[-1])["seq"]))
    beside: Json = {"head": head, "epoch": joining.joined.epoch, "recovered": True}
    items = [orjson.Fragment(body) for body in shown]
    return Answer(items, next_cursor=more, is_list=True, beside=beside)


async def _something(call: Call, reader: RoomReader, deadline: float) -> list[bytes]:
    """Wait for the reader; nothing when it ended in peace, the time is over or the client gone."""
    async with asyncio.TaskGroup() as group:
        taking = group.create_task(_taken(reader))
        leaving = group.create_task(gone(call.request.receive))
        left_s = max(0.0, deadline - asyncio.get_running_loop().time())
        await asyncio.wait({taking, leaving}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        taking.cancel()
        leaving.cancel()
    taken = [] if taking.cancelled() else taking.result()
    if isinstance(taken, HubError):
        raise taken
    return taken


async def _taken(reader: RoomReader) -> list[bytes] | HubError:
    try:
        return await reader.take()
    except HubError as error:
        return error


async def _told(call: Call, room_id: str, at: Cursor, found: list[LogRow]) -> Answer:
    head = (await call.parts.store.log.heads([room_id])).get(room_id)
    if head is None:
        raise missing("room")
    limit, recovered = call.limit(), continues(at, head)
    shown = found[:limit] if recovered else []
    more = None
    if recovered and len(found) > limit:
        more = call.next(f"events/{room_id}", str(shown[-1][0].seq))
    items = [event(entry, message) for entry, message in shown]
    beside: Json = {"head": head.head, "epoch": head.epoch, "recovered": recovered}
    return Answer(items, next_cursor=more, is_list=True, beside=beside)


async def stream(call: Call) -> EventStream:
    """Events as server-sent events: first what a subscriber is told, then what was missed, then
    live. It is refused, if at all, before the stream begins."""
    room_id = call.path("room_id")
    reader, joining = await prepare_reader(call.gateway, call.actor, room_id, _cursor(call))

    async def produce(say: Say) -> None:
        await reader.serve(_stream(call, reader, joining, say))

    return EventStream(produce, reader.close, last=True)


def _cursor(call: Call) -> Cursor | None:
    """Where the client stopped: `Last-Event-ID`, else the parameters `since` and `epoch`."""
    given = call.request.headers.get("last-event-id")
    if given is None:
        since = call.number("since")
        return None if since is None else Cursor(since, call.query("epoch"))
    epoch, _, seq = given.rpartition(":")
    if not epoch or not seq.isdecimal() or not seq.isascii() or len(seq) > 15:
        raise invalid("Last-Event-ID", "must be an id of this stream, epoch:seq")
    return Cursor(int(seq), epoch)


async def _stream(call: Call, reader: RoomReader, joining: Joining, say: Say) -> None:
    epoch, room_id = joining.joined.epoch, joining.joined.room_id
    first = {"type": "subscribed", **call.gateway.told(joining.joined)}
    start = sse(first, event_id=f"{epoch}:{joining.position}")
    await say(f"retry: {RETRY_MS}\n".encode() + start)
    async with asyncio.TaskGroup() as group:
        group.create_task(_complete(call, reader, joining))
        try:
            while shown := [_shown(body, epoch) for body in await reader.take()]:
                await call.gateway.pace()
                await say(b"".join(shown))
                del shown  # what has left is not held while the next is awaited
        except Missing:
            about = {"type": "room.removed", "room_id": room_id, "at": rfc3339(now_ms())}
            await say(sse(about | {"data": {"room_id": room_id}}))
        except HubError as error:
            await say(sse({"type": "error", "error": error.as_dict()}))


async def _complete(call: Call, reader: RoomReader, joining: Joining) -> None:
    """What was missed is paced by the client; a replay that breaks off ends the stream."""
    try:
        await call.gateway.fanout.complete(reader, joining)
    except HubError as error:
        reader.end(error)


def _shown(body: bytes, epoch: str) -> bytes:
    """One event, by the id to come back with if it has a place in the log."""
    seq = orjson.loads(body).get("seq")
    head = b"" if seq is None else f"id: {epoch}:{seq}\n".encode()
    return head + b"data: " + body + b"\n\n"


_ROOM = "/v1/rooms/{room_id}"
OPERATIONS = [
    Operation(
        "GET", f"{_ROOM}/events", events, "Read the room's log, or wait for it",
        query=("since", "epoch", "limit", "cursor", "wait"), live=True,
    ),
    Operation(
        "GET", f"{_ROOM}/stream", stream, "Follow the room's log as server-sent events",
        query=("since", "epoch"), live=True,
    ),
]  # fmt: skip
