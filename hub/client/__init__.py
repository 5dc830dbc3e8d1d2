"""The SDK: a hub's REST calls, and a live connection that mends itself."""

from hub.client.connection import Posted, RoomConnection, open_connection
from hub.client.errors import Unreachable
from hub.client.events import (
    Connected,
    Disconnected,
    Draft,
    DraftGrew,
    Event,
    Joined,
    Left,
    Logged,
    Signalled,
)
from hub.client.options import Options
from hub.client.rest import RoomhubClient, open_client

__all__ = [
    "Connected",
    "Disconnected",
    "Draft",
    "DraftGrew",
    "Event",
    "Joined",
    "Left",
    "Logged",
    "Options",
    "Posted",
    "RoomConnection",
    "RoomhubClient",
    "Signalled",
    "Unreachable",
    "open_client",
    "open_connection",
]
