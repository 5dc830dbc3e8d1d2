"""`workers.titles`: a title for a session that has none, after its first exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from hub.core.chat import ChatPart, ChatRequest, Finish, TextDelta, Usage
from hub.core.errors import Backend
from hub.core.models import Price
from hub.core.values import Run
from hub.parts import Parts
from hub.ports import Reply
from hub.store.store import SqlStore
from tests.support.parts import ACME, ADMIN, AT_MS, ELIZA, Posts, add_session, audit
from workers.titles import entitle


class Speaker:
    """A model of somebody else that answers with `text`, or fails."""

    upstream = object()
    price = Price(1_000_000.0, 2_000_000.0)

    def __init__(self, text: str | None, usage: Usage | None = None) -> None:
        self.text = text
        self.usage = usage
        self.asked: list[ChatRequest] = []

    async def of(self, _: str) -> Speaker:
        return self

    def get(self, _: str) -> Speaker:
        return self

    def backend(self, _: str) -> Speaker:
        return self

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatPart]:
        self.asked.append(request)
        if self.text is None:
            raise Backend("no")
        yield TextDelta(self.text)
        yield Finish("stop", self.usage)


async def exchange(store: SqlStore, content: str = "How do I *bake* bread?") -> Run:
    await add_session(store)
    run = (await Posts(store).send("sess_1", content, calls=(ELIZA,))).runs[0]
    await store.runs.claim(run.id, "w", 60_000)
    ended = await store.runs.finish(run.id, 1, Reply("succeeded", "With flour.", AT_MS))
    assert ended is not None
    return ended.run


async def title(store: SqlStore) -> str | None:
    session = await store.sessions.get(ACME, "sess_1")
    assert session is not None
    return session.title


def with_model(parts: Parts, speaker: Any) -> Parts:
    return replace(parts, models=speaker)


async def test_what_a_title_costs_is_counted_for_the_session_s_model(parts: Parts) -> None:
    run = await exchange(parts.store)
    for speaker in (Speaker("Bread", Usage(30, 4)), Speaker("B" * 500)):  # told, and cut short
        await entitle(with_model(parts, speaker), run)
        await parts.store.sessions.update(ACME, "sess_1", {"title": None}, audit("sess_1"))
    (row,) = await parts.usage.report(ADMIN, "participant", AT_MS)
    assert (ELIZA, 2) == (row["key"], row["completions"])
    assert row["completion_tokens"] == 4 + 125
    assert row["cost"] == row["prompt_tokens"] + 2 * row["completion_tokens"]


async def test_a_builtin_model_leaves_it_to_the_text(parts: Parts) -> None:
    await entitle(parts, await exchange(parts.store))
    assert "How do I bake bread?" == await title(parts.store)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Baking bread", "Baking bread"),
        (' "Baking bread."\nand more', "Baking bread"),
        ("", "How do I bake bread?"),
        ("***", "How do I bake bread?"),
        (None, "How do I bake bread?"),
    ],
)
async def test_another_model_is_asked_for_it(
    answer: str | None, expected: str, parts: Parts
) -> None:
    speaker = Speaker(answer)
    await entitle(with_model(parts, speaker), await exchange(parts.store))
    assert expected == await title(parts.store)
    (request,) = speaker.asked
    assert "How do I *bake* bread?" in request.messages[-1].content
    assert "With flour." in request.messages[-1].content


async def test_a_title_that_was_given_stays(parts: Parts) -> None:
    run, speaker = await exchange(parts.store), Speaker("Other")
    await parts.store.sessions.update(ACME, "sess_1", {"title": "Mine"}, audit("sess_1"))
    await entitle(with_model(parts, speaker), run)
    assert "Mine" == await title(parts.store)
    assert [] == speaker.asked
    assert await parts.store.sessions.entitle(ACME, "sess_1", "Late", AT_MS) is None


async def test_a_reply_that_failed_is_no_exchange(parts: Parts) -> None:
    run = await exchange(parts.store)
    await entitle(parts, replace(run, state="failed"))
    assert await title(parts.store) is None
