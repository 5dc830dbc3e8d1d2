"""`hub.core.chat`: counting tokens by rule of thumb."""

from __future__ import annotations

import pytest

from hub.core.chat import estimate_tokens


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("four", 1), ("five!", 2)])
def test_four_characters_are_a_token(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens
