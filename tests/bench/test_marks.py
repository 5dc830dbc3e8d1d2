"""Counting marks in a stream that is cut anywhere."""

from __future__ import annotations

import pytest

from hub.bench.marks import DIGITS, MARK, Ages, Scanner, split_at_stamp


def mark(stamp: int) -> bytes:
    return MARK + b"%0*d" % (DIGITS, stamp)


def count_in_reads(stream: bytes, size: int, needle: bytes) -> tuple[int, int]:
    """Marks and needles in a stream that comes `size` bytes at a time."""
    scanner = Scanner(64, (needle,))
    tail: bytes | bytearray = scanner.blank
    marks = needles = 0
    for at in range(0, len(stream), size):
        piece = stream[at : at + size]
        scanner.space[: len(piece)] = piece
        found, tail = scanner.scan(tail, len(piece))
        marks += found
        needles += scanner.count(needle, len(piece))
    return marks, needles


@pytest.mark.parametrize("size", range(1, 64))
def test_a_needle_counts_once_wherever_a_read_ends(size: int) -> None:
    stream = b'..{"id":2,"ok":true}' + mark(7) + b"xx" + mark(8) + mark(9) + b'"id":2,"ok":true'
    assert (3, 2) == count_in_reads(stream, size, b'"id":2,"ok":true')


def test_what_a_longer_read_left_in_the_buffer_does_not_count_again() -> None:
    scanner = Scanner(256)
    scanner.space[:54] = mark(1) * 2
    _, tail = scanner.scan(scanner.blank, 54)
    scanner.space[:3] = b"abc"
    found, _ = scanner.scan(tail, 3)
    assert 0 == found


def test_the_stamps_of_the_first_and_the_last_mark_are_read() -> None:
    scanner = Scanner(256)
    stream = b"a" + mark(11) + mark(12) + b"b" + mark(13) + b"c"
    scanner.space[: len(stream)] = stream
    scanner.scan(scanner.blank, len(stream))
    assert (11, 13) == (scanner.first(len(stream)), scanner.last(len(stream)))


def test_a_stamp_that_is_cut_off_is_none() -> None:
    scanner = Scanner(256)
    stream = mark(11)[:-1]
    scanner.space[: len(stream)] = stream
    assert (1, 0) == (scanner.scan(scanner.blank, len(stream))[0], scanner.first(len(stream)))


def test_a_message_is_split_around_the_digits_of_its_stamp() -> None:
    assert (b"a" + MARK, b"xyz") == split_at_stamp(b"a" + mark(0) + b"xyz")


def test_a_percentile_is_the_age_that_so_many_did_not_exceed() -> None:
    ages = Ages()
    for ms in range(1, 101):
        ages.add(ms * 1_000_000)
    assert [50.0, 95.0, 99.0, 100.0] == [ages.percentile_ms(p) for p in (0.5, 0.95, 0.99, 1)]


def test_a_weight_counts_as_so_many_ages() -> None:
    ages = Ages()
    ages.add(1_000_000, 98)
    ages.add(9_000_000, 2)
    assert [1.0, 9.0] == [ages.percentile_ms(0.98), ages.percentile_ms(0.99)]


def test_without_ages_a_percentile_is_nought() -> None:
    assert Ages().percentile_ms(0.5) == 0
