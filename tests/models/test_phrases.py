"""hub/models/phrases.py: clauses, decomposition, reflection."""

from __future__ import annotations

import time

import pytest

from hub.models.phrases import clauses, decompose, fragment, reflect, spoken


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ann (user): hello", "hello"),
        ("Bob (PM) (persona): hello", "hello"),
        ("Ann (owner): hello", "Ann (owner): hello"),
        ("@eliza-1 hello", "  hello"),
        ("mail me@home.org", "mail me@home.org"),
    ],
)
def test_names_and_mentions_are_not_part_of_what_was_said(text: str, expected: str) -> None:
    assert spoken(text) == expected


def test_clauses_end_at_pauses_and_at_but() -> None:
    assert clauses("I'm here, at 3.5 miles but zx81-qk isn't! ") == [
        ("I", "am", "here"),
        ("at", "3.5", "miles"),
        ("zx81-qk", "isn't"),
    ]
    assert clauses("👍 … ?!") == []


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("* i am +", "now I am very tired", [("now",), ("I",), ("am",), ("very", "tired")]),
        ("* i am +", "I am", None),
        ("*", "", [()]),
        ("* can|could you *", "could you", [(), ("could",), ("you",), ()]),
        ("* a * b *", "b a", None),
        ("a", "a b", None),
    ],
)
def test_a_pattern_takes_a_clause_apart(
    pattern: str, text: str, expected: list[tuple[str, ...]] | None
) -> None:
    assert decompose(tuple(pattern.split()), tuple(text.split())) == expected


@pytest.mark.parametrize(
    ("said", "back"),
    [
        ("my dog likes me", "your dog likes you"),
        ("you are my friend", "I am your friend"),
        ("I am yours", "you are mine"),
        ("I love you", "you love me"),
        ("that you can help us", "that I can help you"),
        ("were you there", "was I there"),
    ],
)
def test_pronouns_are_turned_round(said: str, back: str) -> None:
    assert reflect(said.split()) == back


def test_a_fragment_is_short_enough_to_say() -> None:
    assert fragment(["x" * 500] * 500) == " ".join(["x" * 40] * 14)


@pytest.mark.parametrize("text", ["i if " * 50_000, "x" * 300_000, "a (" * 100_000, "@" * 99_999])
def test_long_texts_are_no_trouble(text: str) -> None:
    began = time.perf_counter()
    for clause in clauses(spoken(text)):
        assert decompose(("*", "if", "*", "if", "*", "zz", "*"), clause) is None
    assert time.perf_counter() - began < 2
