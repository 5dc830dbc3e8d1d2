"""The database as a whole."""

from __future__ import annotations

from typing import Protocol

from hub.ports.audit import AuditStore
from hub.ports.completions import CompletionStore
from hub.ports.keys import AccessChangeStore, KeyStore
from hub.ports.log import LogStore
from hub.ports.messages import MessageStore
from hub.ports.models import ModelStore
from hub.ports.participants import ParticipantStore
from hub.ports.posts import PostStore
from hub.ports.reading import ReadStore
from hub.ports.rooms import RoomStore
from hub.ports.runs import RunStore
from hub.ports.search import SearchStore
from hub.ports.sessions import SessionStore
from hub.ports.timeline import TimelineStore


class Store(Protocol):
    """The database as the use cases see it."""

    @property
    def posts(self) -> PostStore: ...
    @property
    def log(self) -> LogStore: ...
    @property
    def rooms(self) -> RoomStore: ...
    @property
    def messages(self) -> MessageStore: ...
    @property
    def search(self) -> SearchStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def reading(self) -> ReadStore: ...
    @property
    def participants(self) -> ParticipantStore: ...
    @property
    def keys(self) -> KeyStore: ...
    @property
    def access_changes(self) -> AccessChangeStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def runs(self) -> RunStore: ...
    @property
    def models(self) -> ModelStore: ...
    @property
    def completions(self) -> CompletionStore: ...
    @property
    def timeline(self) -> TimelineStore: ...

    async def ping(self) -> None:
        """Raises Unavailable when the database does not answer."""
