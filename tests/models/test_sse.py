"""hub/models/sse.py: the rules of the standard, whatever the cuts."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from hub.models.sse import SseDecoder, SseEvent, SseTooLong


def read(*pieces: bytes) -> list[SseEvent]:
    decoder = SseDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_each_kind_of_line_end_closes_lines(newline: bytes) -> None:
    data = newline.join([b"data: a", b"", b"event: e", b"data: b", b"", b""])
    assert read(data) == [SseEvent("a"), SseEvent("b", "e")]


def test_a_cr_at_a_cut_is_a_line_end_and_its_lf_belongs_to_it() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\r\n\r") == [SseEvent("a")]
    assert decoder.feed(b"\ndata: b\r") == []
    assert decoder.feed(b"\n\r\n") == [SseEvent("b")]


def test_lines_of_data_are_joined_and_only_one_space_is_taken_off() -> None:
    assert read(b"data:  a\ndata:b\ndata\n\n") == [SseEvent(" a\nb\n")]


def test_comments_unknown_fields_and_events_without_data_say_nothing() -> None:
    assert read(b": hi\n\nretry: 5\nfoo: bar\n\nevent: e\n\ndata: x\n\n") == [SseEvent("x")]


def test_the_id_lasts_until_the_next_and_one_with_nul_is_ignored() -> None:
    events = read(b"id: 1\ndata: a\n\ndata: b\n\nid: 2\0\ndata: c\n\nid\ndata: d\n\n")
    assert [event.id for event in events] == ["1", "1", "1", ""]


def test_a_byte_order_mark_is_taken_off_once_even_when_cut() -> None:
    assert read(b"\xef", b"\xbb", b"\xbfdata: a\n\n") == [SseEvent("a")]
    assert read(b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n") == []


def test_bad_utf8_becomes_the_replacement_character() -> None:
    assert read(b"data: a\xff\xc3", b"z\n\n") == [SseEvent("a\ufffd\ufffdz")]


def test_separators_of_unicode_are_no_line_ends() -> None:
    text = "a\u2028b\u0085c\x0bd"
    assert read(f"data: {text}\n\n".encode()) == [SseEvent(text)]


def test_the_end_gives_up_an_event_that_was_left_open() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\ndata: b") == []
    assert decoder.end() == [SseEvent("a\nb")]
    assert SseDecoder().end() == []


@pytest.mark.parametrize("piece", [b"x" * 10, b"data: x\n", b"data\n"])
def test_neither_a_line_nor_an_event_grows_past_the_limit(piece: bytes) -> None:
    decoder = SseDecoder(max_chars=100)
    with pytest.raises(SseTooLong):
        for _ in range(200):
            decoder.feed(piece)


def test_the_limit_is_per_event() -> None:
    decoder = SseDecoder(max_chars=100)
    assert sum(len(decoder.feed(b"data: " + b"x" * 80 + b"\n\n")) for _ in range(50)) == 50


def test_cuts_change_nothing() -> None:
    stream = "\ufeff: c\r\nid: 7\revent: é\ndata: 日本\r\ndata:👩‍👩‍👧\n\r\n\rdata: z\n\n".encode()
    whole = read(stream)
    assert len(whole) == 2
    dice = random.Random(7)
    for _ in range(300):
        cuts = sorted(dice.sample(range(len(stream)), k=dice.randint(1, 12)))
        bounds = [0, *cuts, len(stream)]
        assert read(*(stream[a:b] for a, b in pairwise(bounds))) == whole
    assert read(*(bytes([byte]) for byte in stream)) == whole
