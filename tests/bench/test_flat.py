"""The program that looks whether costs are flat, small: that it measures what it says."""

from __future__ import annotations

from tests.bench.flat import messages


def test_rooms_of_few_and_of_many_messages_are_compared() -> None:
    lines, _ = messages(few=200, many=400, times=2)
    assert "| median ms | 200 messages | 400 messages | ratio |" == lines[0]
    assert ["post", "page", "resume"] == [line.split(" | ")[0].strip("| ") for line in lines[2:]]
