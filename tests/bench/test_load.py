"""Texts with places to fill, and the values that cross between the processes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hub.bench.load import Counted, Load
from hub.bench.marks import MARK, split_at_stamp
from hub.bench.process import faults_of

LOAD = Load(
    "127.0.0.1", 1, '{"room_id":"{roomid}","content":"{payload}"}', rooms=2, members=3,
    room_ids=("room_a", "room_b"), keys=("k0", "k1"), headers=("A: {key}",), keep=(1, 4),
    publishers_at=("127.0.0.2", 2),
)  # fmt: skip
COUNTED = Counted(
    conns=6, failed=0, lost=0, why="", sent_by_room=(2, 3), delivered=15, in_time=12, uneven=0,
    acked=0, refused=0, elapsed_s=2.0, connect_s=0.1, ready_s=0.1, p50_ms=1.0, p95_ms=2.0,
    p99_ms=3.0, busy=0.5,
)  # fmt: skip


def test_a_text_is_filled_with_what_belongs_to_the_connection() -> None:
    assert "4 1 room_b k0" == LOAD.fill("{conn} {room} {roomid} {key}", 4)


def test_braces_that_are_no_place_stay() -> None:
    assert '{"id":1,"a":{}}{x}' == LOAD.fill('{"id":1,"a":{}}{x}', 0)


@pytest.mark.parametrize("size", [27, 200, 4000])
def test_a_payload_has_the_size_asked_for_and_one_stamp(size: int) -> None:
    content = json.loads(replace(LOAD, size=size).fill(LOAD.publish, 0))["content"]
    assert (size, 1) == (len(content), content.count(MARK.decode()))


def test_a_stamp_may_stand_apart_from_the_filler() -> None:
    before, after = split_at_stamp(LOAD.fill("<{stamp}|{filler}>", 0).encode())
    assert (b"<" + MARK, b"|" + b"x" * 200 + b">") == (before, after)


def test_both_values_survive_json() -> None:
    assert (LOAD, COUNTED) == (
        Load.from_json(LOAD.to_json()),
        Counted.from_json(COUNTED.to_json()),
    )


def test_a_rate_counts_only_what_came_in_time() -> None:
    assert 6.0 == COUNTED.per_s


def test_a_count_where_everything_came_has_no_fault() -> None:
    assert [] == faults_of(LOAD, COUNTED)


@pytest.mark.parametrize(
    "wrong",
    [{"failed": 1}, {"lost": 1}, {"refused": 1}, {"delivered": 14}, {"uneven": 1},
     {"sent_by_room": (0, 0), "delivered": 0}],
)  # fmt: skip
def test_whatever_is_amiss_is_a_fault(wrong: dict[str, int]) -> None:
    fields = json.loads(COUNTED.to_json()) | wrong
    assert 1 == len(faults_of(LOAD, Counted.from_json(json.dumps(fields))))


def test_posts_that_were_not_acknowledged_are_a_fault_where_acknowledgements_are_counted() -> None:
    assert 1 == len(faults_of(replace(LOAD, acked="ok"), COUNTED))
