"""What a client knows of the rooms it follows: which event is next, and what was missed. Pure.

Events go in as the hub sent them; out come those to hand on, each once and in order. An event
that does not follow the last one makes its room `behind`: it must be subscribed again from the
last seq that was applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hub.client.drafts import Drafts
from hub.client.events import Draft, DraftGrew, Event, Joined, Left, Logged, Signalled
from hub.core.errors import HubError
from hub.core.values import Json


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where to resume a room: the last seq applied, and the room's epoch then."""

    room_id: str
    since: int
    epoch: str


@dataclass(slots=True)
class _Room:
    position: int
    epoch: str
    behind: bool = False


def joined_by(data: Json, since: int | None) -> Joined:
    """What the reply to a `subscribe` says."""
    return Joined(
        data["room_id"], data["head"], data["epoch"], data["recovered"], since,
        data.get("presence", {}),
    )  # fmt: skip


class Following:
    """The rooms that are followed, their positions and drafts."""

    def __init__(self) -> None:
        self._rooms: dict[str, _Room] = {}
        self._to_ask: dict[str, _Room] = {}
        self._drafts = Drafts()

    @property
    def drafts(self) -> Mapping[str, Draft]:
        """Replies that are being written, by run id."""
        return self._drafts.open

    # Resuming.

    def cut(self) -> None:
        """The connection is gone: every room must be subscribed again."""
        for room_id, room in self._rooms.items():
            self._fall_behind(room_id, room)
        self._to_ask = dict(self._rooms)

    @property
    def any_behind(self) -> bool:
        """True when `take_behind` would return something."""
        return bool(self._to_ask)

    def take_behind(self) -> list[Cursor]:
        """Where to subscribe again, each room once until it has joined or the connection is cut."""
        asked, self._to_ask = self._to_ask, {}
        return [Cursor(room_id, room.position, room.epoch) for room_id, room in asked.items()]

    def _fall_behind(self, room_id: str, room: _Room) -> None:
        if not room.behind:
            room.behind = True
            self._to_ask[room_id] = room

    # Subscriptions.

    def join(self, data: Json, since: int | None) -> list[Event]:
        """Apply the reply to a `subscribe` that named `since`. A cursor that did not fit starts
        the room anew at its head, and `Joined.missed` says so."""
        joined = joined_by(data, since)
        known = self._rooms.get(joined.room_id)
        position = joined.head
        if joined.recovered and since is not None:
            position = max(since, known.position) if known and known.behind else since
        else:
            self._drafts.forget_room(joined.room_id)
        self._rooms[joined.room_id] = _Room(position, joined.epoch)
        self._to_ask.pop(joined.room_id, None)
        grown = [self._drafts.snapshot(joined.room_id, each) for each in data["drafts"]]
        return [joined, *(each for each in grown if each is not None)]

    def leave(self, room_id: str, error: HubError | None = None) -> list[Event]:
        """Follow a room no longer."""
        self._drafts.forget_room(room_id)
        self._to_ask.pop(room_id, None)
        return [Left(room_id, error)] if self._rooms.pop(room_id, None) else []

    # Events.

    def apply(self, event: Json) -> list[Event]:
        """What to hand on of an event as the hub sent it: nothing when it is a repetition, an
        overtaken delta, or comes after a gap."""
        if event.get("seq") is not None:
            return self._apply_logged(event)
        if event["type"] == "message.delta":
            grew = self._apply_delta(event)
            return [grew] if grew else []
        room_id, at = event.get("room_id"), event.get("at", "")
        signal = Signalled(event["type"], room_id, at, event.get("data") or {})
        if signal.type == "room.removed" and signal.room_id:
            return [signal, *self.leave(signal.room_id)]
        return [signal]

    def skip(self, event: Json) -> None:
        """Leave an event out for now: an entry of a log comes again when the room is resumed."""
        room = self._rooms.get(event.get("room_id", ""))
        if room is not None and event.get("seq") is not None and event["seq"] > room.position:
            self._fall_behind(event["room_id"], room)

    def _apply_logged(self, event: Json) -> list[Event]:
        room = self._rooms.get(event["room_id"])
        if room is None or event["seq"] <= room.position:
            return []
        if event["seq"] != room.position + 1:
            self._fall_behind(event["room_id"], room)
            return []
        room.position = event["seq"]
        self._note_end(event["type"], event["data"])
        logged = Logged(event["type"], event["room_id"], event["seq"], event["at"], event["data"])
        return [logged]

    def _note_end(self, kind: str, data: Json) -> None:
        if kind == "message.created":
            self._drafts.finish(data["id"])
        elif kind == "run.finished":
            self._drafts.finish(data["message_id"])

    def _apply_delta(self, event: Json) -> DraftGrew | None:
        if event["room_id"] not in self._rooms:
            return None
        return self._drafts.delta(event["room_id"], event["data"])
