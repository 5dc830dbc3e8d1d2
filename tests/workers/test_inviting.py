"""`workers.inviting`: what a driver is given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.core.errors import Backend
from hub.core.values import Json, Run
from hub.parts import Parts
from hub.ports import Reply
from hub.sealing import Seal, webhook_owner
from tests.support.parts import ACME, AT_MS, ELIZA, Posts, add_room, add_session
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


async def signed_by(parts: Parts, *secrets: Json) -> Run:
    """A run of a participant with these secrets."""
    changes: Json = {"secrets": list(secrets)}
    await parts.store.participants.update(ACME, ELIZA, changes, None)
    await add_room(parts.store, people=("user_alice", ELIZA))
    return (await Posts(parts.store).send(calls=(ELIZA,))).runs[0]


async def test_a_driver_is_given_its_secrets_open_and_none_that_cannot_be_read(
    parts: Parts,
) -> None:
    """The one before the newest may be of another time."""
    owner = webhook_owner(ACME, ELIZA)
    run = await signed_by(
        parts,
        {"secret": parts.models.seal.close("whsec_new", owner), "until_ms": None},
        {"secret": Seal(b"another").close("whsec_old", owner), "until_ms": AT_MS * 2},
    )
    assert ("whsec_new",) == (await invite(parts, run)).invocation.secrets


async def test_a_secret_that_cannot_be_read_says_what_to_do(parts: Parts) -> None:
    sealed = Seal(b"another").close("whsec_x", webhook_owner(ACME, ELIZA))
    run = await signed_by(parts, {"secret": sealed, "until_ms": None})
    with pytest.raises(
        Backend, match="HUB_SECRET_KEY was another then; give the webhook a new one"
    ):
        await invite(parts, run)
