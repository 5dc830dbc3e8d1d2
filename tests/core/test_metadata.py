"""`hub.core.metadata`: what a session is found by of its metadata."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from hub.core.metadata import FOUND_CHARS, found_by, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("proj_123", "proj_123"), ("", ""), (" 5 ", " 5 "), ("É", "É"), (5, "5"), (0, "0"),
        (-7, "-7"), (2**53, "9007199254740992"), (5.0, "5"), (-0.0, "0"), (0.5, "0.5"),
        (1e-7, "1e-7"), (True, "true"), (False, "false"),
    ],
)  # fmt: skip
def test_a_value_is_asked_for_as_it_is_written(value: Any, text: str) -> None:
    assert text == text_of(value)


@pytest.mark.parametrize("number", [0.1, 1 / 3, 1e-7, 2.5e-12, 123456.789, -0.25, 5e-324])
def test_a_number_is_asked_for_as_an_answer_shows_it(number: float) -> None:
    assert orjson.dumps(number).decode() == text_of(number)


@pytest.mark.parametrize("value", [None, [], ["a"], {}, {"a": "b"}])
def test_what_has_no_text_finds_nothing(value: Any) -> None:
    assert text_of(value) is None
    assert {"other": "x"} == found_by({"key": value, "other": "x"})


def test_what_is_too_long_to_be_asked_for_is_left_out() -> None:
    most = "k" * FOUND_CHARS
    assert {most: most} == found_by({most: most, most + "k": "x", "x": most + "k", "": "x"})
