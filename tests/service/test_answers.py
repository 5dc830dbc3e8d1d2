"""`hub.service.answers`: bots that answer later, by a run's token, fenced by its attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import Conflict, Denied, Invalid, Missing, Unauthenticated
from hub.core.tokens import RunToken, make_token
from hub.core.values import Run
from hub.parts import Parts, now_ms, open_parts
from hub.settings import Settings
from hub.wire.bodies import validate
from hub.wire.requests import MemberChange
from tests.support.parts import ACME, ADMIN, ALICE, ELIZA, RIVAL, Posts, add_room
from tests.support.redis import run_server, until

SECOND = "persona_second"


async def working(parts: Parts) -> Run:
    """A claimed run of Eliza."""
    await add_room(parts.store, people=("user_alice", "user_bob", ELIZA, SECOND))
    run = (await Posts(parts.store).send(calls=(ELIZA,))).runs[0]
    claimed = await parts.store.runs.claim(run.id, "w", 60_000)
    assert claimed is not None
    return claimed


def token(parts: Parts, run: Run, **changes: Any) -> str:
    mine = RunToken(ACME, run.id, run.attempt, now_ms() + 60_000)
    return make_token(parts.secret, replace(mine, **changes))


async def test_a_token_allows_to_answer_its_run(parts: Parts) -> None:
    run = await working(parts)
    found = await parts.answers.by_token(token(parts, run), run.id)
    ended = await parts.answers.reply(found, "late but here")
    assert "succeeded" == ended.state
    message = await parts.store.messages.get(ACME, "room_1", run.reply_message_id)
    assert message is not None
    assert ("late but here", ELIZA) == (message.content, message.author.id)
    with pytest.raises(Conflict):
        await parts.answers.by_token(token(parts, run), run.id)


async def test_a_retry_of_an_answer_is_the_same_answer(parts: Parts) -> None:
    run = await working(parts)
    mine = token(parts, run)
    ended = await parts.answers.reply(run, "once")
    found = await parts.answers.by_token(mine, run.id, answered=True)
    assert ended == await parts.answers.reply(found, "once")
    with pytest.raises(Conflict):
        await parts.answers.reply(found, "twice")
    with pytest.raises(Conflict):
        await parts.answers.by_token(token(parts, run, attempt=2), run.id, answered=True)
    entries = [entry.type for entry, _ in await parts.store.log.read("room_1", 0, 99)]
    assert (2, 1) == (entries.count("message.created"), entries.count("run.finished"))


async def test_a_retry_while_the_answer_is_on_its_way_is_the_same_answer(parts: Parts) -> None:
    run = await working(parts)
    first, second = await asyncio.gather(
        parts.answers.reply(run, "once"), parts.answers.reply(run, "once")
    )
    assert first == second
    for another, said in ((run, "twice"), (replace(run, attempt=run.attempt + 1), "once")):
        with pytest.raises(Conflict):
            await parts.answers.reply(another, said)
    entries = [entry.type for entry, _ in await parts.store.log.read("room_1", 0, 99)]
    assert (2, 1) == (entries.count("message.created"), entries.count("run.finished"))


async def test_what_was_not_answered_is_not_answered_again(parts: Parts) -> None:
    run = await working(parts)
    await parts.answers.fail(run, "out of order")
    with pytest.raises(Conflict):
        await parts.answers.by_token(token(parts, run), run.id, answered=True)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"attempt": 2}, Conflict),
        ({"attempt": 0}, Conflict),
        ({"run_id": "run_other"}, Unauthenticated),
        ({"expires_ms": 1}, Unauthenticated),
        ({"tenant_id": RIVAL}, Missing),
    ],
)
async def test_other_tokens_allow_nothing(
    parts: Parts, change: dict[str, Any], error: type[Exception]
) -> None:
    run = await working(parts)
    with pytest.raises(error):
        await parts.answers.by_token(token(parts, run, **change), run.id)


async def test_a_token_of_another_hub_or_a_broken_one_allows_nothing(parts: Parts) -> None:
    run = await working(parts)
    good = token(parts, run)
    foreign = make_token(b"another", RunToken(ACME, run.id, 1, now_ms() + 60_000))
    for text in (foreign, good[:-1], good + "x", "", "rhr_", good.replace(ACME, RIVAL)):
        with pytest.raises(Unauthenticated):
            await parts.answers.by_token(text, run.id)


Change = Callable[[Parts], Any]
DEMOTE: Change = lambda parts: parts.rooms.change_member(  # noqa: E731
    ALICE, "room_1", ELIZA, validate(MemberChange, {"role": "observer"})
)
REMOVE: Change = lambda parts: parts.rooms.remove_member(ALICE, "room_1", ELIZA)  # noqa: E731


@pytest.mark.parametrize("change", [DEMOTE, REMOVE])
async def test_who_may_not_post_any_more_does_not_answer(parts: Parts, change: Change) -> None:
    run = await working(parts)
    await change(parts)
    for say in (parts.answers.reply(run, "still me"), parts.answers.delta(run, 0, "still")):
        with pytest.raises(Denied):
            await say
    assert [] == await parts.bus.drafts(run.room_id, [run.id])
    assert await parts.store.messages.get(ACME, "room_1", run.reply_message_id) is None


async def test_who_is_out_of_use_does_not_answer(parts: Parts) -> None:
    run = await working(parts)
    await parts.participants.disable(ADMIN, ELIZA)
    with pytest.raises(Denied):
        await parts.answers.by_token(token(parts, run), run.id)


async def test_in_an_archived_room_nobody_answers(parts: Parts) -> None:
    run = await working(parts)
    await parts.rooms.archive(ALICE, "room_1")
    with pytest.raises(Conflict) as caught:
        await parts.answers.reply(run, "late")
    assert "ROOM_ARCHIVED" == caught.value.code


async def test_pieces_go_after_what_is_there(parts: Parts) -> None:
    run = await working(parts)
    await parts.answers.delta(run, 0, "héllo ")
    for wrong in (0, 5, 7):
        with pytest.raises(Invalid, match="must be 6") as caught:
            await parts.answers.delta(run, wrong, "world")
        assert "offset" == caught.value.details[0].field
    await parts.answers.delta(run, 6, "world")
    (draft,) = await parts.bus.drafts(run.room_id, [run.id])
    assert ("héllo world", ELIZA) == (draft.text, draft.participant["id"])


async def test_an_answer_takes_its_draft_away(parts: Parts) -> None:
    run = await working(parts)
    await parts.answers.delta(run, 0, "so far")
    await parts.answers.reply(run, "so far, so good")
    await parts.publisher.drain(5)
    assert [] == await parts.bus.drafts(run.room_id, [run.id])


async def test_nobody_who_answers_waits_for_redis(settings: Settings, tmp_path: Path) -> None:
    with run_server(tmp_path) as server:
        async with open_parts(settings, server.url) as parts:
            run = await working(parts)
            with server.frozen():
                waiting = asyncio.create_task(parts.bus.ping())
                await asyncio.sleep(0)
                await parts.answers.reply(run, "at once")
                assert not waiting.done()
            await waiting


async def test_an_answer_that_names_others_asks_them(parts: Parts) -> None:
    run = await working(parts)
    await parts.answers.reply(run, "what does @second say?")

    async def called() -> bool:
        return [SECOND] == [
            each.participant_id for each in await parts.store.runs.open_in("room_1")
        ]

    await until(called)


async def test_an_answer_too_long_or_empty_names_its_field(parts: Parts) -> None:
    run = await working(parts)
    for content in ("", "x" * 32_769, "a\0b"):
        with pytest.raises(Invalid) as caught:
            await parts.answers.reply(run, content)
        assert "content" == caught.value.details[0].field
    with pytest.raises(Invalid) as caught:
        await parts.answers.delta(run, 0, "x" * 32_769)
    assert "text" == caught.value.details[0].field
