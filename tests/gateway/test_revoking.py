"""A revoked key's connections end, all of them, whatever goes wrong with one."""

from __future__ import annotations

from functools import partial

from hub.gateway.closes import REVOKED
from hub.store.access_changes import note_change
from tests.support.parts import ADMIN, ALICE, AT_MS
from tests.support.redis import until

from .fakes import FakeSocket
from .houses import Pair, pair

__all__ = ["pair"]


class Stubborn(FakeSocket):
    """Cannot be closed until it is willing."""

    willing = False

    def close_with(self, code: int, reason: str) -> None:
        if not self.willing:
            raise ValueError("a socket in a state that nobody expected")
        super().close_with(code, reason)


async def test_one_that_cannot_be_closed_keeps_no_other_open_and_is_closed_later(
    pair: Pair,
) -> None:
    stubborn = [Stubborn() for _ in range(6)]
    for socket in stubborn:
        await pair.connect(ALICE, socket=socket)
    others = [(await pair.connect(ALICE)).socket for _ in range(3)]
    another = await pair.connect(ADMIN)
    write, key_id = pair.parts.store.database.write, ALICE.key_id
    await write(partial(note_change, kind="key", subject_id=key_id, at_ms=AT_MS))
    await until(lambda: all(socket.closed for socket in others))
    assert [None] * 6 == [socket.closed for socket in stubborn]
    for socket in stubborn:
        socket.willing = True
    await until(lambda: all(socket.closed for socket in stubborn))
    assert {(REVOKED, "the key was revoked")} == {s.closed for s in (*stubborn, *others)}
    assert another.socket.closed is None
