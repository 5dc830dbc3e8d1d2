"""A live connection that mends itself: commands out, events in, rooms resumed after every cut.

The decisions are in `state`, `reconnect` and `requests`; this is the pump between them and a
WebSocket. Events wait in a bounded queue. While it is full, ephemeral events are dropped and
entries of a log are left for later: their room is resumed once the queue is half empty, so a slow
consumer misses nothing, costs no memory and does not hold up answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from hub.client.errors import Unreachable
from hub.client.events import Connected, Disconnected, Draft, Event, Joined
from hub.client.inbox import Inbox
from hub.client.options import Options, Token
from hub.client.reconnect import Backoff, Resume, Stop, Verdict, on_close, on_refused
from hub.client.requests import Asked, Requests
from hub.client.state import Following, joined_by
from hub.core.errors import Denied, HubError, Missing, Unavailable
from hub.core.values import Json

JSON_PROTOCOL: Final = Subprotocol("roomhub.v1.json")
FRAME_MOST: Final = 16 * 1024 * 1024
STEADY_S: Final = 5.0
CLOSE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Posted:
    """A post the hub has stored: its message id and seq, and the runs it started, each
    `{id, participant, state}`."""

    id: str
    seq: int
    runs: tuple[Json, ...]


class RoomConnection:
    """One participant's connection; iterate over it for events. Made by `open_connection`."""

    def __init__(self, address: str, token: Token, options: Options) -> None:
        self._url = address.rstrip("/").replace("http", "ws", 1) + "/v1/ws"
        self._token = token
        self._options = options
        self._state = Following()
        self._requests = Requests()
        self._in_flight = asyncio.Semaphore(options.in_flight)
        self._inbox = Inbox(options.events)
        self._to_send = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._ended: Stop | None = None
        self._steady_from: float | None = None
        self._settled = asyncio.Event()

    # For the consumer.

    @property
    def drafts(self) -> Mapping[str, Draft]:
        """Replies that are being written in the rooms followed, by run id."""
        return self._state.drafts

    def __aiter__(self) -> RoomConnection:
        return self

    async def __anext__(self) -> Event:
        """The next event. Ends when the connection was closed for good, with the HubError if it
        was refused (a revoked key, say). Cancelling it loses nothing."""
        event = await self._inbox.take()
        if self._state.any_behind and self._inbox.has_space:
            self._to_send.set()
        return event

    async def subscribe(
        self, room_id: str, *, since: int | None = None, epoch: str | None = None
    ) -> Joined:
        """Follow a room, from after seq `since` or live only. Raises Missing for a room that is
        not there or may not be read, Limited over the connection's bound of rooms."""
        given = {"room_id": room_id, "since": since, "epoch": epoch}
        body = {name: value for name, value in given.items() if value is not None}
        data = await self.command("subscribe", body)
        return joined_by(data, since)

    async def unsubscribe(self, room_id: str) -> None:
        """Follow a room no longer."""
        self._state.leave(room_id)
        await self.command("unsubscribe", {"room_id": room_id})

    async def post(
        self,
        room_id: str,
        content: str,
        *,
        mention: Sequence[Json] = (),
        thread_id: str | None = None,
        client_id: str | None = None,
    ) -> Posted:
        """Post a message; returns once it is stored, over as many cuts as it takes. `mention` is
        a list of `{type, id}`.

        Where the hub refuses, its HubError is raised. After cancelling, or OUTCOME_UNKNOWN, the
        message may be stored or not: the same `client_id` again gives the first result.
        """
        body: Json = {
            "room_id": room_id,
            "content": content,
            "client_id": client_id or self._options.new_id(),
        }
        if mention:
            body["mention"] = list(mention)
        if thread_id is not None:
            body["thread_id"] = thread_id
        data = await self.command("post", body)
        return Posted(data["id"], data["seq"], tuple(data["runs"]))

    async def edit(self, message_id: str, content: str) -> None:
        """Give one's own message another text; everybody sees `message.updated`."""
        await self.command("edit", {"message_id": message_id, "content": content})

    async def delete(self, message_id: str) -> None:
        """Erase a message's text: one's own, or anybody's as an owner or admin of the room."""
        await self.command("delete", {"message_id": message_id})

    async def react(self, message_id: str, emoji: str, *, present: bool = True) -> None:
        """Add one's reaction to a message, or take it back."""
        body = {"message_id": message_id, "emoji": emoji}
        await self.command("react" if present else "unreact", body)

    async def read(self, room_id: str, seq: int, thread_id: str | None = None) -> None:
        """Everything up to `seq` is read, of the room or of one thread."""
        body = {"room_id": room_id, "seq": seq} | ({"thread_id": thread_id} if thread_id else {})
        await self.command("read", body)

    async def typing(self, room_id: str, thread_id: str | None = None) -> None:
        """Let the others know; Unreachable while there is no connection."""
        body = {"room_id": room_id} | ({"thread_id": thread_id} if thread_id else {})
        await self.command("typing", body, repeat=False)

    async def ping(self) -> None:
        """A round trip; Unreachable while there is no connection."""
        await self.command("ping", {}, repeat=False)

    async def command(self, kind: str, body: Json, *, repeat: bool = True) -> Json:
        """Any command of the protocol, and the `data` of its reply. `repeat` sends it again when
        the connection is cut before the answer: right only where twice is as good as once.
        Cancelling it gives up the answer, not what was sent."""
        async with self._in_flight:
            self._check_usable(repeat)
            answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
            asked = self._requests.ask({"type": kind, **body}, repeat=repeat, answer=answer)
            self._to_send.set()
            try:
                return await answer
            finally:
                self._requests.forget(asked)

    def _check_usable(self, repeat: bool) -> None:
        if self._ended is not None:
            raise self._ended.error or Unreachable("the connection was closed")
        if self._socket is None and not repeat:
            raise Unreachable("there is no connection now")

    # The pump.

    async def run(self) -> None:
        """Connect, and again after every cut, until refused or cancelled."""
        backoff = Backoff(
            self._options.random, self._options.backoff_base_s, self._options.backoff_cap_s
        )
        ended = Stop()
        try:
            while True:
                verdict, code, reason = await self._once()
                if isinstance(verdict, Stop):
                    ended = verdict
                    return
                if not self._settled.is_set():
                    ended = Stop(Unreachable(f"cannot connect to {self._url}: {reason}"))
                    return
                await self._pause(backoff, verdict, code, reason)
        finally:
            self._end(ended)

    async def opened(self) -> None:
        """Returns when the hub has said hello; raises the HubError of a first try that failed."""
        await self._settled.wait()
        if self._ended is not None:
            raise self._ended.error or Unreachable("the hub closed the connection at once")

    async def _pause(self, backoff: Backoff, resume: Resume, code: int | None, reason: str) -> None:
        held_from, self._steady_from = self._steady_from, None
        if held_from is not None and self._options.clock() - held_from > STEADY_S:
            backoff.reset()
        delay_s = backoff.delay_s(resume)
        self._inbox.offer(Disconnected(code, reason, delay_s))
        await self._options.sleep(delay_s)

    async def _once(self) -> tuple[Verdict, int | None, str]:
        """One connection from handshake to end: what to do next, close code and reason."""
        try:
            headers = {"Authorization": f"Bearer {await self._current_token()}"}
            async with connect(
                self._url, additional_headers=headers, subprotocols=[JSON_PROTOCOL],
                compression=None, proxy=None, max_size=FRAME_MOST,
                open_timeout=self._options.open_s, close_timeout=CLOSE_S,
                ping_interval=self._options.ping_s, ping_timeout=self._options.ping_s,
            ) as socket:  # fmt: skip
                await self._serve(socket)
            return self._judge(socket.close_code, socket.close_reason or "")
        except Unavailable as error:
            return Resume(), None, error.message
        except HubError as error:
            return Stop(error), None, error.message
        except InvalidStatus as error:
            return on_refused(error.response.status_code), None, str(error)
        except (OSError, TimeoutError, WebSocketException) as error:
            return Resume(), None, str(error) or type(error).__name__

    async def _current_token(self) -> str:
        return self._token if isinstance(self._token, str) else await self._token()

    def _judge(self, code: int | None, reason: str) -> tuple[Verdict, int | None, str]:
        """A token that cannot be refreshed is as good as none."""
        verdict = on_close(code, reason)
        if isinstance(verdict, Resume) and verdict.refresh and isinstance(self._token, str):
            verdict = on_close(4401, reason)
        return verdict, code, reason

    async def _serve(self, socket: ClientConnection) -> None:
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._send(socket))
            try:
                await self._read(socket)
            finally:
                sending.cancel()
                self._socket = None
                self._state.cut()
                self._requests.cut()

    async def _send(self, socket: ClientConnection) -> None:
        """Everything that is to be sent, in order, from the hello on."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._to_send.wait()
                self._to_send.clear()
                if self._socket is None:
                    continue
                if self._inbox.has_space:
                    self._resume_rooms()
                while (asked := self._requests.next_unsent()) is not None:
                    await socket.send(asked.frame, text=True)

    def _resume_rooms(self) -> None:
        for cursor in self._state.take_behind():
            body = {"type": "subscribe", "room_id": cursor.room_id, "since": cursor.since}
            self._requests.ask(body | {"epoch": cursor.epoch}, repeat=False)

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                if not self._take(socket, text):
                    return

    def _take(self, socket: ClientConnection, text: str | bytes) -> bool:
        """One frame; False when this connection is of no use any more."""
        try:
            frame = orjson.loads(text)
        except orjson.JSONDecodeError:
            return False
        kind = frame["type"]
        if kind == "hello":
            self._take_hello(socket, frame)
        elif kind == "reply":
            return self._take_reply(frame)
        elif not self._inbox.full:
            self._inbox.put(self._state.apply(frame))
        else:
            self._state.skip(frame)
        if self._state.any_behind and self._inbox.has_space:
            self._to_send.set()
        return True

    def _take_hello(self, socket: ClientConnection, hello: Json) -> None:
        self._socket = socket
        self._steady_from = self._options.clock()
        self._requests.frame_bytes = hello["limits"]["frame_bytes"]
        self._inbox.offer(Connected(hello["connection_id"], hello["participant"]))
        self._settled.set()
        self._to_send.set()

    def _take_reply(self, reply: Json) -> bool:
        found = self._requests.answered(reply)
        if found is None:
            return True
        asked, error = found
        if error is not None:
            asked.fail(error)
            return asked.answer is not None or self._not_resumed(asked, error)
        if asked.body["type"] == "subscribe":
            self._inbox.put(self._state.join(reply["data"], asked.body.get("since")))
        asked.resolve(reply["data"])
        return True

    def _not_resumed(self, asked: Asked, error: HubError) -> bool:
        """A room that may no longer be read is left; any other refusal is tried anew."""
        if not isinstance(error, Missing | Denied):
            return False
        self._inbox.put(self._state.leave(asked.body["room_id"], error))
        return True

    def _end(self, ended: Stop) -> None:
        self._ended = ended
        self._requests.end(ended.error or Unreachable("the connection was closed"))
        self._settled.set()
        self._inbox.end(ended.error)


@contextlib.asynccontextmanager
async def open_connection(
    address: str, token: Token, options: Options | None = None
) -> AsyncIterator[RoomConnection]:
    """A connection to the hub at `address` (`http://…`), closed at the end of the context.

    `token` is a key, or a function that returns one and is asked before every handshake (a
    HubError from it ends the connection, but for Unavailable). Raises
    Unauthenticated or Denied when refused, Unreachable when the first try finds no hub; later
    cuts are mended without a word but `Disconnected`.
    """
    connection = RoomConnection(address, token, options or Options())
    try:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(connection.run())
            try:
                await connection.opened()
                yield connection
            finally:
                running.cancel()
    except BaseExceptionGroup as errors:
        if len(errors.exceptions) > 1:
            raise
        raise errors.exceptions[0] from None
