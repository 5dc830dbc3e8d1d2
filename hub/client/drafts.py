"""Replies that are being written, put together from deltas. Pure.

Deltas may be lost, repeated, or come from an attempt that was overtaken; offsets are in code
points. A gap leaves a draft as it is, until the final message or a fresh snapshot.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from hub.client.events import Draft, DraftGrew
from hub.core.values import Json

DRAFTS: Final = 512
FINISHED: Final = 4_096


class Drafts:
    """The open drafts of every followed room; the oldest is forgotten when there are too many."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Draft] = OrderedDict()
        self._torn: set[str] = set()
        self._finished: OrderedDict[str, None] = OrderedDict()

    @property
    def open(self) -> Mapping[str, Draft]:
        """By run id."""
        return self._open

    def delta(self, room_id: str, data: Json) -> DraftGrew | None:
        """Apply a `message.delta`; None when it adds nothing to what is known."""
        run_id, attempt = data["run_id"], data["attempt"]
        draft = self._of(room_id, data)
        if draft.message_id in self._finished or attempt < draft.attempt:
            return None
        if attempt > draft.attempt:
            draft = replace(draft, attempt=attempt, text="")
            self._torn.discard(run_id)
        if data["offset"] > len(draft.text) or run_id in self._torn:
            self._torn.add(run_id)
            self._keep(draft)
            return None
        return self._grow(draft, data["text"][len(draft.text) - data["offset"] :])

    def snapshot(self, room_id: str, data: Json) -> DraftGrew | None:
        """Apply a draft as a subscription tells it, whole; what was torn is mended."""
        draft, run_id = self._of(room_id, data), data["run_id"]
        if draft.message_id in self._finished or data["attempt"] < draft.attempt:
            return None
        if data["attempt"] > draft.attempt or not data["text"].startswith(draft.text):
            draft = replace(draft, attempt=data["attempt"], text="")
        self._torn.discard(run_id)
        return self._grow(draft, data["text"][len(draft.text) :])

    def finish(self, message_id: str) -> None:
        """The run that was writing this message ended: deltas that come later are ignored."""
        for draft in [d for d in self._open.values() if d.message_id == message_id]:
            self._forget(draft.run_id)
        self._finished[message_id] = None
        while len(self._finished) > FINISHED:
            self._finished.popitem(last=False)

    def forget_room(self, room_id: str) -> None:
        """Drop the drafts of a room; their ends may never be told."""
        for draft in [d for d in self._open.values() if d.room_id == room_id]:
            self._forget(draft.run_id)

    def _of(self, room_id: str, data: Json) -> Draft:
        known = self._open.get(data["run_id"])
        return known or Draft(
            room_id, data["run_id"], data["message_id"], data["thread_id"], data["participant"],
            data["attempt"], "",
        )  # fmt: skip

    def _grow(self, draft: Draft, fresh: str) -> DraftGrew | None:
        if not fresh:
            return None
        grown = replace(draft, text=draft.text + fresh)
        self._keep(grown)
        return DraftGrew(grown, len(draft.text), fresh)

    def _keep(self, draft: Draft) -> None:
        self._open[draft.run_id] = draft
        if len(self._open) > DRAFTS:
            self._forget(next(iter(self._open)))

    def _forget(self, run_id: str) -> None:
        self._open.pop(run_id, None)
        self._torn.discard(run_id)
