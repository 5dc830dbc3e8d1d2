"""`hub.cli.show`: what users call things reaches a terminal as text alone."""

from __future__ import annotations

import pytest

from hub.cli.show import print_table


def test_a_name_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"id": "key_1", "name": "a\x1b]0;owned\x07\r\nb\x9b2J[bold]"}], ("id", "name"))
    out = capsys.readouterr().out
    assert "a\ufffd]0;owned\ufffd\ufffd\ufffdb\ufffd2J[bold]" in out
    assert not [char for char in out if char != "\n" and not char.isprintable()]


def test_in_a_pipe_every_item_is_one_line_however_long_its_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    items = [{"id": f"key_{n}", "name": "n" * 200, "by": "b" * 200, "as": "a" * 69} for n in (1, 2)]
    print_table(items, ("id", "name", "by", "as"))
    _, *lines = capsys.readouterr().out.splitlines()
    assert [list(item.values()) for item in items] == [line.split() for line in lines]
