"""The model that needs no account: Weizenbaum's 1966 method, a pure function of the transcript."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from hub.core.chat import ChatMessage, ChatPart, ChatRequest
from hub.models.phrases import (
    COMMON,
    MAX_WORD_CHARS,
    Words,
    clauses,
    decompose,
    fragment,
    reflect,
    spoken,
)
from hub.models.rules import Keyword, Rule, Script
from hub.models.script import SCRIPT
from hub.models.speech import Sleep, speak

ELIZA_SLUG = "builtin/eliza"

_HOLE = re.compile(r"\{(\w+)\}")
_UNKNOWN = "unknown"


@dataclass(slots=True)
class _Memory:
    """What one reading of a transcript gathers, turn by turn."""

    heard: Counter[str] = field(default_factory=Counter)
    kept: list[str] = field(default_factory=list)
    told: int = 0


class Eliza:
    """Answers the last user turn; the same messages give the same answer, on any machine.

    Rules rotate by how many earlier user turns woke the same keyword. What people said about
    something of theirs ("my …") is kept, and brought up when a later turn wakes no keyword.
    """

    def __init__(self, script: Script = SCRIPT) -> None:
        self._script = script
        self._keywords = {word: key for key in script.keywords for word in key.words.split("|")}

    def reply(self, messages: Sequence[ChatMessage]) -> str:
        """One or two sentences that take up what was said last."""
        turns = [clauses(spoken(m.content)) for m in messages if m.role == "user"] or [[]]
        memory = _Memory()
        for said in turns[:-1]:
            self._answer(said, memory)
            self._keep(said, memory)
        return self._with_tail(self._answer(turns[-1], memory), turns[-1], len(turns))

    def _answer(self, said: list[Words], memory: _Memory) -> str:
        """The sentence for one turn, noting in `memory` what it used up."""
        if not said:
            return self._rotate(self._script.wordless, "wordless", memory)
        found = self._matched(said)
        if found is not None:
            keyword, rule, clause, taken = found
            template = self._rotate(rule.replies, keyword.words, memory)
            return _fill(template, clause, taken)
        if memory.told < len(memory.kept):
            memory.told += 1
            return memory.kept[memory.told - 1]
        longest = max(said, key=len)
        return _fill(self._rotate(self._script.unknown, _UNKNOWN, memory), longest, [])

    def _rotate(self, replies: Sequence[str], name: str, memory: _Memory) -> str:
        reply = replies[memory.heard[name] % len(replies)]
        memory.heard[name] += 1
        return reply

    def _matched(self, said: list[Words]) -> tuple[Keyword, Rule, Words, list[Words]] | None:
        """The rule of the highest keyword that fits; of equals, the one heard first."""
        heard = [
            (self._keywords[word.lower()], clause)
            for clause in said
            for word in clause
            if word.lower() in self._keywords
        ]
        for keyword, clause in sorted(heard, key=lambda found: -found[0].rank):
            for rule in keyword.rules:
                taken = decompose(tuple(rule.pattern.split()), clause)
                if taken is not None:
                    return keyword, rule, clause, taken
        return None

    def _keep(self, said: list[Words], memory: _Memory) -> None:
        rule = self._script.memory
        for clause in said:
            taken = decompose(tuple(rule.pattern.split()), clause)
            if taken is not None:
                template = rule.replies[len(memory.kept) % len(rule.replies)]
                memory.kept.append(_fill(template, clause, taken))

    def _with_tail(self, answer: str, said: list[Words], turn: int) -> str:
        """The answer, plus a word on the most telling words that it does not mention."""
        missed = [word for word in self._telling(said) if word.lower() not in answer.lower()]
        if not missed:
            return answer
        words = " and ".join(f"“{word}”" for word in missed[:2])
        tails = self._script.tails
        return f"{answer} {tails[turn % len(tails)].replace('{words}', words)}"

    def _telling(self, said: list[Words]) -> list[str]:
        """The words that belong to this message more than to the language, the oddest first."""
        words = dict.fromkeys(word[:MAX_WORD_CHARS] for clause in said for word in clause)
        return sorted((word for word in words if self._is_telling(word)), key=_oddity, reverse=True)

    def _is_telling(self, word: str) -> bool:
        known = word.lower() in COMMON or word.lower() in self._keywords
        return not known and (len(word) > 3 or any(c.isdigit() for c in word))


def _oddity(word: str) -> tuple[bool, int]:
    mixed = any(c.isdigit() for c in word) and any(c.isalpha() for c in word)
    return mixed, len(word)


def _fill(template: str, clause: Words, taken: list[Words]) -> str:
    """The template with its holes filled, tidied where a hole was empty."""

    def filled(hole: re.Match[str]) -> str:
        name = hole.group(1)
        return fragment(clause) if name == "quote" else reflect(taken[int(name) - 1])

    return re.sub(r"\s+(?=[\s,;:.?!”])", "", _HOLE.sub(filled, template))


class ElizaBackend:
    """`builtin/eliza` as a `ModelBackend`, speaking a word every `delay_s` seconds."""

    slug = ELIZA_SLUG

    def __init__(self, delay_s: float = 0.03, sleep: Sleep = asyncio.sleep) -> None:
        self._eliza = Eliza()
        self._delay_s = delay_s
        self._sleep = sleep

    def stream(self, request: ChatRequest) -> AsyncIterator[ChatPart]:
        """See `ModelBackend`."""
        text = self._eliza.reply(request.messages)
        return speak(text, request, delay_s=self._delay_s, sleep=self._sleep)
