"""`hub.gateway.seats`: who may sit down."""

from __future__ import annotations

import pytest

from hub.gateway.seats import Full, Seats


def test_there_are_so_many_seats_and_no_more() -> None:
    seats = Seats(2, 9, 9)
    for socket in (1, 2):
        seats.take(socket, str(socket))
    with pytest.raises(Full):
        seats.take(3, "3")
    seats.leave(1)
    seats.take(3, "3")
    assert 2 == len(seats)


def test_strangers_are_counted_by_address_until_they_are_known() -> None:
    seats = Seats(9, 2, 9)
    seats.take(1, "192.0.2.1")
    seats.take(2, "192.0.2.1")
    seats.take(3, "192.0.2.2")
    with pytest.raises(Full):
        seats.take(4, "192.0.2.1")
    seats.known(1, "key_a")
    seats.take(4, "192.0.2.1")


def test_who_has_said_who_it_is_is_no_stranger_but_has_a_seat() -> None:
    seats = Seats(2, 1, 9)
    seats.take(1, "192.0.2.1")
    seats.take(2, None)
    with pytest.raises(Full):
        seats.take(3, None)
    seats.known(2, "key_a")


def test_a_key_has_so_many_connections() -> None:
    seats = Seats(9, 9, 2)
    for socket in range(3):
        seats.take(socket, "192.0.2.1")
    seats.known(0, "key_a")
    seats.known(1, "key_a")
    with pytest.raises(Full):
        seats.known(2, "key_a")
    seats.known(2, "key_b")
    seats.leave(0)
    seats.take(0, "192.0.2.1")
    seats.known(0, "key_a")


def test_a_stream_counts_for_its_key_and_in_all() -> None:
    seats = Seats(3, 9, 2)
    seats.admit("stream", "key_a")
    seats.take(1, "192.0.2.1")
    seats.known(1, "key_a")
    with pytest.raises(Full):
        seats.admit("another", "key_a")
    seats.known(1, "key_a")
    seats.admit("another", "key_b")
    with pytest.raises(Full):
        seats.admit("one more", "key_c")


def test_nothing_is_kept_of_those_who_left() -> None:
    seats = Seats(9, 9, 9)
    for socket in range(5):
        seats.take(socket, f"192.0.2.{socket}")
        seats.known(socket, f"key_{socket}")
    for socket in (*range(5), "never came"):
        seats.leave(socket)
        seats.leave(socket)
    assert (0, 0) == (len(seats), len(seats._count))


def test_a_key_is_in_use_as_long_as_something_of_it_is_open() -> None:
    seats = Seats(9, 9, 9)
    seats.take(1, "192.0.2.1")
    seats.take(2, None)
    assert set() == seats.keys()
    seats.known(1, "key_a")
    seats.admit(3, "key_a")
    seats.admit(4, "key_b")
    assert {"key_a", "key_b"} == seats.keys()
    seats.leave(1)
    seats.leave(4)
    assert {"key_a"} == seats.keys()
