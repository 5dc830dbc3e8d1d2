"""What the use cases need of a database and a bus, and what they may rely on.

A store method that writes is one transaction: when it returns, all of it is stored (and synced to
disk), when it raises, nothing is. `Unavailable` is raised when the database is away. Every method
that takes a tenant finds only what belongs to it; a foreign id is a missing one.
"""

from __future__ import annotations

from hub.ports.audit import AuditEntry, AuditRecord, AuditStore
from hub.ports.bus import Bus, Hear, Listener, LivesBus, PresenceBus
from hub.ports.common import Clock, Page, Written
from hub.ports.completions import CompletionStore
from hub.ports.identity import TokenReader
from hub.ports.keys import AccessChange, AccessChangeStore, KeyStore, StoredKey
from hub.ports.log import Head, LogStore, Place, Standing
from hub.ports.messages import MessageStore
from hub.ports.models import Catalogue, ModelStore
from hub.ports.participants import ParticipantStore
from hub.ports.posts import PostStore, PostWriter
from hub.ports.reading import ReadStore
from hub.ports.rooms import RoomStore
from hub.ports.runs import Ended, Pause, Renewed, Reply, RunStore
from hub.ports.search import Search, SearchStore
from hub.ports.sessions import (
    ANY_METADATA,
    Asked,
    Changed,
    Drafts,
    Edit,
    Edited,
    Promotion,
    SessionStore,
)
from hub.ports.store import Store
from hub.ports.timeline import Mark, TimelineStore, Witness

__all__ = [
    "ANY_METADATA",
    "AccessChange",
    "AccessChangeStore",
    "Asked",
    "AuditEntry",
    "AuditRecord",
    "AuditStore",
    "Bus",
    "Catalogue",
    "Changed",
    "Clock",
    "CompletionStore",
    "Drafts",
    "Edit",
    "Edited",
    "Ended",
    "Head",
    "Hear",
    "KeyStore",
    "Listener",
    "LivesBus",
    "LogStore",
    "Mark",
    "MessageStore",
    "ModelStore",
    "Page",
    "ParticipantStore",
    "Pause",
    "Place",
    "PostStore",
    "PostWriter",
    "PresenceBus",
    "Promotion",
    "ReadStore",
    "Renewed",
    "Reply",
    "RoomStore",
    "RunStore",
    "Search",
    "SearchStore",
    "SessionStore",
    "Standing",
    "Store",
    "StoredKey",
    "TimelineStore",
    "TokenReader",
    "Witness",
    "Written",
]
