"""Every key and channel of a hub, by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Names:
    """Names under one prefix. What one script touches shares a {hash tag}: on a cluster it is
    served by one server, and so are a room's channel, drafts and presence."""

    prefix: str

    def room(self, room_id: str) -> str:
        """The channel of a room."""
        return f"{self.prefix}:room:{{{room_id}}}"

    def room_of(self, channel: str) -> str:
        """The room of a channel."""
        return channel.removeprefix(f"{self.prefix}:room:{{").removesuffix("}")

    def probe(self, listener_id: str, number: int) -> str:
        """A channel on which a listener hears itself; with numbers some are on every server."""
        return f"{self.prefix}:probe:{listener_id}:{number}"

    def draft(self, room_id: str, run_id: str) -> str:
        """What is known of a draft but its text."""
        return f"{self.prefix}:draft:{{{room_id}}}:{run_id}"

    def draft_text(self, room_id: str, run_id: str) -> str:
        return f"{self.draft(room_id, run_id)}:text"

    def ticket(self, digest: str) -> str:
        return f"{self.prefix}:ticket:{{{digest}}}"

    def ticket_put(self, digest: str) -> str:
        """What was put as a ticket, taken or not."""
        return f"{self.ticket(digest)}:put"

    def presence(self, room_id: str) -> str:
        """Which gateways have anybody in a room, with the ends of their leases."""
        return f"{self.prefix}:presence:{{{room_id}}}"

    def present(self, room_id: str, gateway_id: str) -> str:
        """Who is in a room on one gateway."""
        return f"{self.presence(room_id)}:{gateway_id}"

    def mark(self, database: int) -> str:
        """How far a database has come."""
        return f"{self.prefix}:mark:{database}"

    @property
    def lives(self) -> str:
        """When each process last gave a sign of life."""
        return f"{self.prefix}:{{lives}}:at"

    @property
    def unpublished(self) -> str:
        """Of each process the rooms it has committed to and not published yet."""
        return f"{self.prefix}:{{lives}}:unpublished"

    @property
    def runs(self) -> str:
        """The stream that wakes workers."""
        return f"{self.prefix}:runs"

    @property
    def pool(self) -> str:
        """The consumer group of the workers."""
        return f"{self.prefix}:pool"
