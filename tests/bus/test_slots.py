"""`hub.bus.slots`: which slot a name has, and who serves it as most servers tell."""

from __future__ import annotations

import pytest

from hub.bus.slots import SLOTS, Layout, Span, agreed, read_layout, slot_of

A, B, C = ("10.0.0.1", 7000), ("10.0.0.2", 7000), ("10.0.0.3", 7000)


@pytest.mark.parametrize(
    ("name", "slot"),
    [("123456789", 12739), ("foo", 12182), ("{foo}:bar", 12182), ("foo{}{bar}", 8363)],
)
def test_a_name_has_the_slot_of_its_tag_or_of_all_of_it(name: str, slot: int) -> None:
    """As the specification has them, and CLUSTER KEYSLOT."""
    assert slot == slot_of(name) == slot_of(name.encode())


def test_a_layout_is_read_with_replicas_and_without_hosts() -> None:
    answer = [
        [8192, 16383, [b"10.0.0.2", 7000, b"id"], [b"10.0.0.3", 7000, b"id"]],
        [0, 8191, [b"", 7001, b"id"], [None, 7002, b"id"]],
        [100, 100, [b"?", 7001, b"id", [b"hostname", b"x"]]],
    ]
    layout = read_layout(answer, ("asked", 1))
    assert {B, C, ("asked", 7001), ("asked", 7002)} == layout.members
    assert layout.table()[0] == layout.table()[100] == ("asked", 7001)
    assert B == layout.table()[16383]


def test_what_is_served_by_nobody_has_no_server() -> None:
    layout = Layout((Span(0, 9, A), Span(11, 20, B)))
    assert 20 == layout.covered
    assert [A, None, B, None] == [layout.table()[slot] for slot in (9, 10, 11, 21)]
    assert SLOTS == len(layout.table())


def test_most_are_believed_and_among_equals_who_serves_most() -> None:
    old, new = Layout((Span(0, 16383, A),)), Layout((Span(0, 16383, B),))
    half = Layout((Span(0, 8191, C),))
    assert new == agreed([old, new, new])
    assert old == agreed([half, old])
    assert old == agreed([old, half])
