"""`hub.bus.names`: every key and channel under one prefix."""

from __future__ import annotations

from hub.bus.names import Names


def test_every_name_carries_the_prefix() -> None:
    names = Names("hub")
    made = [
        names.room("r"), names.probe("l"), names.draft("d"), names.draft_text("d"),
        names.ticket("t"), names.runs, names.pool,
    ]  # fmt: skip
    assert all(name.startswith("hub:") for name in made)
    assert len(set(made)) == len(made)


def test_a_channel_gives_its_room_back() -> None:
    assert Names("a:room:b").room_of(Names("a:room:b").room("sess_1")) == "sess_1"


def test_keys_that_one_script_touches_hash_alike_in_a_cluster() -> None:
    names = Names("hub")
    tags = {
        key[key.index("{") : key.index("}")] for key in (names.draft("r1"), names.draft_text("r1"))
    }
    assert tags == {"{r1"}
