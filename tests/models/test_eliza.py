"""hub/models/eliza.py: replies that depend on what was said, and on nothing else."""

from __future__ import annotations

import re

import pytest

from hub.core.chat import ChatMessage, Sampling
from hub.models.eliza import Eliza, ElizaBackend
from hub.models.phrases import decompose
from hub.models.script import SCRIPT

from .asking import ask, reply_of

SAYINGS = """hello
zx81qk
I feel sad because zx81qk broke
zx81qk is what my brother dreamt of
I am stuck on zx81qk, and the deploy is broken
Can you summarize zx81qk for me?
Please review zx81qk before Monday. It is urgent, but I cannot find the time
what is zx81qk?
my zx81qk always fails
do you think zx81qk will work
you are zx81qk
no zx81qk please
thanks for zx81qk
if zx81qk comes, I want to leave
zx81qk remembers me and I remember you
yes
The committee will meet on Tuesday to settle every open question about the budget, and zx81qk too"""


async def no_pause(_delay_s: float) -> None:
    return None


def reply(*said: str) -> str:
    return Eliza().reply([ChatMessage("user", text) for text in said])


@pytest.mark.parametrize("text", [s for s in SAYINGS.splitlines() if "zx81qk" in s])
@pytest.mark.parametrize("shape", ["{}", "Ann Lee (user): @eliza {}", "{} @eliza"])
def test_a_word_nobody_knows_comes_back(text: str, shape: str) -> None:
    assert "zx81qk" in reply(shape.format(text))


@pytest.mark.parametrize("text", [*SAYINGS.splitlines(), "", "👍", "@eliza", "I", "why", "my dad"])
def test_a_reply_has_a_dozen_words_and_mentions_nobody(text: str) -> None:
    said = reply(text)
    assert len(said.split()) >= 12
    assert not re.search(r"@|[{}]|\s[,;.?!]|“”|\s\s", said)


@pytest.mark.parametrize("text", ["see me@home.org", "@ann and @bob, zx @", "(user): @x @y"])
def test_a_reply_cannot_mention_anybody(text: str) -> None:
    assert "@" not in reply(text)


def test_the_same_transcript_gives_the_same_reply() -> None:
    turns = SAYINGS.splitlines()
    assert reply(*turns) == reply(*turns)


def test_rules_rotate_with_every_turn_that_woke_the_same_keyword() -> None:
    said = [reply(*["I feel zx81qk"] * turns) for turns in (1, 2, 3, 4)]
    assert len(set(said)) == 3
    assert said[3] == said[0]
    assert reply("the weather", "I feel zx81qk") == said[0]


def test_the_keyword_of_the_highest_rank_is_taken() -> None:
    assert reply("you think that if it rains I stay") == reply("you think that if it rains I stay.")
    assert "it rains you stay" in reply("what I think is that if it rains I stay")


def test_what_was_mine_is_brought_up_when_nothing_else_is_heard() -> None:
    said = reply("my garden needs rain", "lemons")
    assert "your garden needs rain" in said
    assert "lemons" in said
    assert "your garden" not in reply("my garden needs rain", "lemons", "apples")


def test_only_what_people_said_counts() -> None:
    turns = [
        ChatMessage("system", "You are a pirate"),
        ChatMessage("user", "lemons"),
        ChatMessage("assistant", "I feel like a machine"),
    ]
    assert Eliza().reply(turns) == reply("lemons")
    assert len(Eliza().reply([]).split()) >= 12


def test_every_rule_can_be_filled_by_what_it_takes() -> None:
    rules = [rule for keyword in SCRIPT.keywords for rule in keyword.rules]
    for rule in [*rules, SCRIPT.memory]:
        elements = rule.pattern.split()
        words = tuple("word" if e in "*+" else e.split("|")[0] for e in elements)
        assert decompose(tuple(elements), words) is not None
        for text in rule.replies:
            holes = re.findall(r"\{(\w+)\}", text)
            assert holes
            assert all(hole == "quote" or int(hole) <= len(elements) for hole in holes)


async def test_it_streams_word_by_word() -> None:
    request = ask("I feel zx81qk today")
    told = await reply_of(ElizaBackend(sleep=no_pause), request)
    assert told.text == Eliza().reply(request.messages)
    assert len(told.deltas) >= 12
    assert told.finish.reason == "stop"
    assert told.finish.usage is not None
    assert told.finish.usage.estimated


async def test_it_honours_max_tokens() -> None:
    told = await reply_of(ElizaBackend(sleep=no_pause), ask("hello", Sampling(max_tokens=3)))
    assert told.finish.usage is not None
    assert (len(told.text), told.finish.reason, told.finish.usage.completion_tokens) == (
        12,
        "length",
        3,
    )
