"""What a script of the 1966 method is made of: keywords, their rules, and what fills a silence.

In a pattern `*` is any words, `+` at least one, `a|b` either word. In a reply `{2}` is what the
second element of the pattern took, with its pronouns turned round; `{quote}` is the clause as it
was said.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One decomposition and its reassemblies, used in turn."""

    pattern: str
    replies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Keyword:
    """Words that wake these rules, the first that fits; of two keywords the higher rank wins."""

    words: str
    rank: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """Everything that makes a character of the method."""

    keywords: tuple[Keyword, ...]
    memory: Rule
    unknown: tuple[str, ...]
    wordless: tuple[str, ...]
    tails: tuple[str, ...]


def when(pattern: str, *replies: str) -> Rule:
    return Rule(pattern, replies)


def on(words: str, rank: int, *rules: Rule) -> Keyword:
    return Keyword(words, rank, rules)
