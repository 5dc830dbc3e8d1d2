"""`workers.inviting`: what a driver is given."""

from __future__ import annotations

from dataclasses import replace

from hub.parts import Parts
from tests.support.parts import ELIZA, Posts, add_session
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
