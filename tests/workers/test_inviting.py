"""`workers.inviting`: what a driver is given."""

from __future__ import annotations

from dataclasses import replace

from hub.parts import Parts
from hub.ports import Reply
from tests.support.parts import AT_MS, ELIZA, Posts, add_session
from workers.inviting import HISTORY, invite


async def test_a_run_that_waited_while_very_much_was_said_is_about_its_own_message(
    parts: Parts,
) -> None:
    await add_session(parts.store)
    posts = Posts(parts.store)
    await posts.send("sess_1", "before")
    run = (await posts.send("sess_1", "the question", calls=(ELIZA,))).runs[0]
    later = [await posts.new("sess_1", f"later {n}") for n in range(HISTORY)]
    await parts.store.posts.commit(later)
    invited = await invite(parts, replace(run, attempt=1))
    said = [m.content for m in invited.invocation.chat.messages if m.role == "user"]
    assert ["before", "the question"] == said
    assert "the question" == invited.invocation.message.content


async def test_its_own_answers_are_there_however_much_was_said_before_they_came(
    parts: Parts,
) -> None:
    """Each right after what it answers, though it is stored behind everything that waited."""
    await add_session(parts.store)
    posts = Posts(parts.store)
    first = (await posts.send("sess_1", "first", calls=(ELIZA,))).runs[0]
    run = (await posts.send("sess_1", "second", calls=(ELIZA,))).runs[0]
    later = [await posts.new("sess_1", f"later {n}") for n in range(HISTORY)]
    await parts.store.posts.commit(later)
    claimed = await parts.store.runs.claim(first.id, "a worker", 60_000)
    assert claimed is not None
    done = Reply("succeeded", "the first answer", AT_MS)
    assert await parts.store.runs.finish(first.id, claimed.attempt, done)
    invited = await invite(parts, replace(run, attempt=1))
    turns = [(m.role, m.content) for m in invited.invocation.chat.messages if m.role != "system"]
    assert [("user", "first"), ("assistant", "the first answer"), ("user", "second")] == turns
