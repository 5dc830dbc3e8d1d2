"""hub/models/speech.py: limits, words and pauses of the builtin models."""

from __future__ import annotations

import pytest

from hub.core.chat import Finish, Sampling, Usage
from hub.models.echo import EchoBackend
from hub.models.speech import cut

from .asking import ask, reply_of


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), ("one two three", "stop")),
        (Sampling(max_tokens=4), ("one two three", "stop")),
        (Sampling(max_tokens=2), ("one two ", "length")),
        (Sampling(max_tokens=0), ("", "length")),
        (Sampling(stop=("three", " two")), ("one", "stop")),
        (Sampling(stop=("", "nowhere")), ("one two three", "stop")),
        (Sampling(max_tokens=1, stop=("three",)), ("one ", "length")),
        (Sampling(max_tokens=1, stop=(" two",)), ("one", "stop")),
    ],
)
def test_a_text_is_cut_by_tokens_and_stops(sampling: Sampling, expected: tuple[str, str]) -> None:
    assert cut("one two three", sampling) == expected


@pytest.mark.parametrize("text", ["a b", "  padded \n\n text ", "   ", "日本 語"])
async def test_the_deltas_joined_are_the_text(text: str) -> None:
    assert (await reply_of(EchoBackend(), ask(text))).text == text


async def test_it_waits_before_every_word_and_estimates_usage() -> None:
    waits: list[float] = []

    async def sleep(delay_s: float) -> None:
        waits.append(delay_s)

    reply = await reply_of(EchoBackend(0.25, sleep), ask("one two three"))
    assert reply.deltas == ("one ", "two ", "three")
    assert waits == [0.25] * 3
    assert reply.finish == Finish("stop", Usage(4, 4, estimated=True))
