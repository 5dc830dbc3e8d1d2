"""`hub.core.mentions`: whom a text speaks to."""

from __future__ import annotations

import time

import pytest

from hub.core.mentions import handles_in


@pytest.mark.parametrize(
    ("text", "handles"),
    [
        ("@ada", ["ada"]),
        ("Hi @ada, @Grace and @ada!", ["ada", "grace"]),
        ("(@ada) “@grace” *@alan*", ["ada", "grace", "alan"]),
        ("@ada's turn", ["ada"]),
        ("one @a-b_1.", ["a-b_1"]),
        ("line\n@ada", ["ada"]),
        ("[@ada](https://example.com/@grace)", ["ada"]),
        ("nobody", []),
        ("@", []),
        ("mail ada@example.com", []),
        ("@ada@example.com", []),
        ("https://example.com/@ada and www.example.com/@grace", []),
        ("@@ada", []),
        ("a/@ada", []),
        ("#@ada", []),
    ],
)
def test_a_handle_is_a_mention_where_it_stands_alone(text: str, handles: list[str]) -> None:
    assert tuple(handles) == handles_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "`@ada`", "``@ada ` @ada``", "```\n@ada\n```", "~~~py\n@ada\n~~~", "```\n@ada",
        "````\n```\n@ada\n````", "> @ada", "  > so said @ada",
    ],
)  # fmt: skip
def test_code_and_quotes_mention_nobody(text: str) -> None:
    assert () == handles_in(text)
    assert ("grace",) == handles_in(f"@grace\n{text}")


def test_what_comes_after_code_counts_again() -> None:
    assert ("ada", "alan") == handles_in("`x` @ada\n```\n@grace\n```\n@alan")


@pytest.mark.parametrize(
    "evil",
    ["@" * 30_000, "`" * 30_000 + "@", "`a" * 15_000 + "@", "a:" * 15_000 + "@",
     "[](" * 9_000 + "@", "".join("`" * n + "a" for n in range(240)) + "@"],
)  # fmt: skip
def test_no_text_takes_long(evil: str) -> None:
    begin = time.process_time()
    handles_in(evil)
    assert time.process_time() - begin < 2
