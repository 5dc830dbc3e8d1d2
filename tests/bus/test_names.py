"""`hub.bus.names`: every key and channel under one prefix."""

from __future__ import annotations

from hub.bus.names import Names
from hub.bus.slots import slot_of


def test_every_name_carries_the_prefix() -> None:
    names = Names("hub")
    made = [
        names.room("r"), names.probe("l", 1), names.draft("r", "d"), names.draft_text("r", "d"),
        names.ticket("t"), names.runs, names.pool,
    ]  # fmt: skip
    assert all(name.startswith("hub:") for name in made)
    assert len(set(made)) == len(made)


def test_a_channel_gives_its_room_back() -> None:
    assert Names("a:room:b").room_of(Names("a:room:b").room("sess_1")) == "sess_1"


def test_what_one_script_touches_is_of_one_slot_of_a_cluster() -> None:
    names = Names("hub")
    of_a_draft = [names.draft("r1", "run_1"), names.draft_text("r1", "run_1"), names.room("r1")]
    of_presence = [names.presence("r1"), names.present("r1", "g")]
    of_a_ticket = [names.ticket("t"), names.ticket_put("t")]
    for together in (of_a_draft, of_presence, of_a_ticket, [names.lives, names.unpublished]):
        assert 1 == len(set(map(slot_of, together)))
