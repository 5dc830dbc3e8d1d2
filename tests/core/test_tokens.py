"""`hub.core.tokens`: what allows an answer to one attempt, and nothing else."""

from __future__ import annotations

import pytest

from hub.core.tokens import RunToken, make_token, read_token

TOKEN = RunToken("acme", "run_1", 2, 1_000)
TEXT = make_token(b"secret", TOKEN)


def test_a_token_reads_back_until_it_expires() -> None:
    assert TOKEN == read_token(b"secret", TEXT, 1_000)
    assert read_token(b"secret", TEXT, 1_001) is None


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("acme", "rival"),
        TEXT.replace("run_1", "run_2"),
        TEXT.replace(".2.", ".3."),
        TEXT.replace(".1000.", ".9000."),
        TEXT[:-1] + ("A" if TEXT[-1] != "A" else "B"),
        TEXT + "A",
        TEXT[1:],
        "",
        "rhr_",
    ],
)
def test_a_token_that_was_touched_is_none(text: str) -> None:
    assert read_token(b"secret", text, 0) is None


def test_a_token_of_another_hub_is_none() -> None:
    assert read_token(b"other", TEXT, 0) is None
