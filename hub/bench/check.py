"""Whether what was measured also happened: the frames that came, and the log the hub stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hub.bench.frames import texts

Json = dict[str, Any]


def events_of(stream: bytes, room_id: str) -> list[Json]:
    """The durable events of a room among the frames a connection got. ValueError for a frame that
    is no JSON."""
    found = [json.loads(text) for text in texts(stream)]
    return [event for event in found if event.get("room_id") == room_id and "seq" in event]


def log_faults(room_id: str, log: Sequence[Json], head: int, sent: int) -> list[str]:
    """A room's log after `head` has as many messages as were sent, each once, and no gap."""
    faults = []
    if [event["seq"] for event in log] != list(range(head + 1, head + 1 + len(log))):
        faults.append(f"{room_id}: the log has a gap")
    messages = {event["data"]["id"] for event in log if event["type"] == "message.created"}
    if len(messages) != sent:
        faults.append(f"{room_id}: {len(messages)} messages are stored, {sent} were sent")
    return faults


def stream_faults(room_id: str, stream: bytes, log: Sequence[Json]) -> list[str]:
    """What a connection got is the room's log: all of it, in its order, word for word."""
    try:
        got = events_of(stream, room_id)
    except ValueError as error:
        return [f"{room_id}: a frame is not JSON: {error}"]
    if got == list(log):
        return []
    if [event["seq"] for event in got] != [event["seq"] for event in log]:
        return [f"{room_id}: a connection got {len(got)} events, not the log's {len(log)} in order"]
    return [f"{room_id}: an event is not as the log has it"]
