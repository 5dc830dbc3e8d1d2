"""`workers.titles`: a title for a session that has none, after its first exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from hub.core.chat import ChatPart, ChatRequest, Finish, TextDelta
from hub.core.errors import Backend
from hub.core.values import Run
from hub.parts import Parts
from hub.ports import Reply
from hub.store.store import SqlStore
from tests.support.parts import ACME, AT_MS, ELIZA, Posts, add_session, audit
from workers.titles import entitle


class Speaker:
    """A model of somebody else that answers with `text`, or fails."""

    upstream = object()

    def __init__(self, text: str | None) -> None:
        self.text = text
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
        yield Finish("stop")


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
