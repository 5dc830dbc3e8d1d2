"""What Weizenbaum's method needs of English: clauses, decomposition, pronoun reflection. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

Words = tuple[str, ...]

MAX_TEXT_CHARS = 4000
MAX_WORD_CHARS = 40
MAX_CLAUSE_WORDS = 40
MAX_FRAGMENT_WORDS = 14

_SPEAKER = re.compile(r"\A[^\n]{1,160}? \((?:user|bot|agent|persona)\): ")
_MENTION = re.compile(r"(?<!\w)@[\w.\-]+")
_WORD = re.compile(r"\w(?:[\w'.\-/+]*\w)?")
_PAUSE = re.compile(r"[.,;:!?()\[\]{}\n\"“”—…]|\s-+\s")

_EXPANDED = {
    "i'm": "I am",
    "im": "I am",
    "i've": "I have",
    "i'd": "I would",
    "i'll": "I will",
    "you're": "you are",
    "you've": "you have",
    "you'll": "you will",
    "dont": "don't",
    "cant": "can't",
    "cannot": "can't",
    "wont": "won't",
    "didnt": "didn't",
}
_PAIRS = {
    ("i", "am"): "you are",
    ("am", "i"): "are you",
    ("i", "was"): "you were",
    ("was", "i"): "were you",
    ("you", "are"): "I am",
    ("are", "you"): "am I",
    ("you", "were"): "I was",
    ("were", "you"): "was I",
}
_SINGLE = {
    "i": "you",
    "me": "you",
    "my": "your",
    "mine": "yours",
    "myself": "yourself",
    "we": "you",
    "us": "you",
    "our": "your",
    "ours": "yours",
    "ourselves": "yourselves",
    "your": "my",
    "yours": "mine",
    "yourself": "myself",
}
_AFTER_SUBJECT_WORDS = """
can could will would should shall may might must have had do did don't didn't can't won't think
know want need say said see feel like always never really just also keep make made give gave tell
told seem understand
"""
_AFTER_SUBJECT = frozenset(_AFTER_SUBJECT_WORDS.split())

# Too common to be what a message is about.
_COMMON_WORDS = """
about after again all also another anything around away back been before being both came come
could does doing done down each else even ever every everything find first from gave getting
give goes going gone good have having here hers himself into itself just keep kind know last
less like little long look made make many maybe mean might more most much must myself often once
only other over quite rather really said same seem seems shall should show since some someone
something soon still such sure take talk tell than that that's their them then there there's
these they they're thing things this those though through time today told took under until upon
used using very want wants well went were whether while will with within without work yesterday
your yours yourself
"""
COMMON = frozenset(_COMMON_WORDS.split())


def spoken(text: str) -> str:
    """A turn without the `Name (user): ` a room puts before it, and without mentions."""
    text = _SPEAKER.sub("", text[:MAX_TEXT_CHARS])
    return _MENTION.sub(" ", text).replace("’", "'")


def clauses(text: str) -> list[Words]:
    """The words of a text, parted where a speaker would pause, says "but" or needs breath."""
    found: list[list[str]] = [[]]
    end = 0
    for match in _WORD.finditer(text):
        word = match.group()
        paused = _PAUSE.search(text, end, match.start()) is not None
        end = match.end()
        if paused or word.lower() == "but" or len(found[-1]) >= MAX_CLAUSE_WORDS:
            found.append([])
        if word.lower() != "but":
            found[-1] += _EXPANDED.get(word.lower(), word).split()
    return [tuple(words) for words in found if words]


def decompose(pattern: Words, words: Words) -> list[Words] | None:
    """The words each element of the pattern took, or None when it does not fit.

    `*` takes any words, `+` at least one, `a|b` the word a or b.
    """
    if not pattern:
        return None if words else []
    element, rest = pattern[0], pattern[1:]
    if element in "*+":
        return _decompose_run(1 if element == "+" else 0, rest, words)
    if not words or words[0].lower() not in element.split("|"):
        return None
    taken = decompose(rest, words[1:])
    return None if taken is None else [words[:1], *taken]


def _decompose_run(least: int, rest: Words, words: Words) -> list[Words] | None:
    if not rest:
        return [words] if len(words) >= least else None
    for count in range(least, len(words) + 1):
        taken = decompose(rest, words[count:])
        if taken is not None:
            return [words[:count], *taken]
    return None


def reflect(words: Sequence[str]) -> str:
    """A fragment said back: I becomes you, your becomes my; cut to a length one can say."""
    said: list[str] = []
    at = 0
    while at < len(words):
        pair = _PAIRS.get((words[at].lower(), words[at + 1].lower() if at + 1 < len(words) else ""))
        said.append(pair or _reflect_one(words, at))
        at += 2 if pair else 1
    return fragment(said)


def _reflect_one(words: Sequence[str], at: int) -> str:
    word = words[at].lower()
    if word != "you":
        return _SINGLE.get(word, words[at])
    following = words[at + 1].lower() if at + 1 < len(words) else ""
    return "I" if following in _AFTER_SUBJECT else "me"


def fragment(words: Sequence[str]) -> str:
    """At most MAX_FRAGMENT_WORDS words, none of them endless."""
    return " ".join(word[:MAX_WORD_CHARS] for word in words[:MAX_FRAGMENT_WORDS])
