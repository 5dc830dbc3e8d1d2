"""`hub.store.triggers`: what the governor reads and writes in the transaction that decides, held
against batches, gateways and workers that come at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, text

from hub.core.errors import Limited
from hub.core.governor import Budget, Limits
from hub.core.ids import ulid
from hub.core.posts import NewPost, Outcome, Posted, RequestKey
from hub.core.runs import NEWER_CAME
from hub.core.triggers import Summons
from hub.core.values import Run
from hub.ports import Pause, Reply
from hub.settings import Settings
from hub.store.opening import open_store
from hub.store.posted import HUMAN_AMONG
from hub.store.postgres import PostgresDatabase
from hub.store.store import SqlStore
from tests.support.parts import ACME, AT_MS, ELIZA, Posts, add_room
from tests.support.redis import until

from .test_run_ends import SECOND, found, next_of, room_of, working
from .test_runs import LONG_MS, claimed

OWN = "bot_own"
WIDE = Limits(depth=100, replies=100, exchanges=4)
T = TypeVar("T")


@asynccontextmanager
async def limited(settings: Settings, limits: Limits) -> AsyncIterator[SqlStore]:
    """Another gateway's store on the same database, with its own limits."""
    async with open_store(settings.database, limits) as store:
        yield store


async def said(posts: Posts, by: str, *to: str, at_ms: int = AT_MS, **rest: Any) -> NewPost:
    """A post to others whose runs have ids of their time."""
    new = await posts.new(by=by, calls=to, at_ms=at_ms, **rest)
    ids = [f"run_{ulid(at_ms, posts.count * 100 + n)}" for n in range(len(to))]
    return new._replace(
        summons=tuple(replace(s, run_id=i) for s, i in zip(new.summons, ids, strict=True))
    )


async def stored(store: SqlStore, *posts: NewPost) -> list[Posted]:
    outcomes = await store.posts.commit(list(posts), wait=True)
    return [_posted(outcome) for outcome in outcomes]


def _posted(outcome: Outcome | Exception) -> Posted:
    assert isinstance(outcome, Posted), outcome
    return outcome


def states(posted: list[Posted]) -> list[str]:
    return [run.state for each in posted for run in each.runs]


# Pairs.


async def test_what_a_pair_did_before_a_batch_is_counted_once(
    settings: Settings, store: SqlStore
) -> None:
    posts = await room_of(store)
    async with limited(settings, WIDE) as gateway:
        for _ in range(2):
            await stored(gateway, await said(posts, ELIZA, SECOND))
        batch = [await said(posts, ELIZA, SECOND), await said(posts, SECOND, ELIZA)]
        assert ["queued", "queued"] == states(await stored(gateway, *batch))
        over = await stored(gateway, await said(posts, ELIZA, SECOND))
    assert ["suppressed"] == states(over)


async def test_who_called_does_not_matter_to_a_pair(settings: Settings, store: SqlStore) -> None:
    posts = await room_of(store)
    async with limited(settings, WIDE) as gateway:
        for caller, called in [(ELIZA, SECOND), (SECOND, ELIZA)] * 2:
            assert ["queued"] == states(await stored(gateway, await said(posts, caller, called)))
        (over,) = await stored(gateway, await said(posts, ELIZA, SECOND))
    assert "called each other 4 times" in (over.runs[0].reason or "")


async def test_a_pair_calls_each_other_so_often_in_a_minute(
    settings: Settings, store: SqlStore
) -> None:
    posts = await room_of(store)
    async with limited(settings, WIDE) as gateway:
        for _ in range(4):
            await stored(gateway, await said(posts, ELIZA, SECOND))
        within = await said(posts, ELIZA, SECOND, at_ms=AT_MS + 59_000)
        assert ["suppressed"] == states(await stored(gateway, within))
        after = await said(posts, ELIZA, SECOND, at_ms=AT_MS + 61_000)
        assert ["queued"] == states(await stored(gateway, after))


# Chains.


async def spoken_to(store: SqlStore, *more: str) -> Posts:
    """A room in which a person has just spoken to a bot that listens by itself."""
    posts = await room_of(store, OWN, *more)
    await stored(store, (await posts.new())._replace(calls=(OWN,)))
    return posts


async def test_two_gateways_start_no_more_for_one_human_message(
    settings: Settings, store: SqlStore
) -> None:
    posts = await spoken_to(store)
    new = [await said(posts, OWN, ELIZA, SECOND) for _ in range(8)]
    async with limited(settings, Limits()) as one, limited(settings, Limits()) as other:
        made = [await stored((one, other)[n % 2], post) for n, post in enumerate(new)]
    assert ["queued"] * 12 + ["suppressed"] * 4 == [s for each in made for s in states(each)]


async def test_the_second_post_of_a_batch_sees_what_the_first_did(store: SqlStore) -> None:
    posts = await spoken_to(store)
    batch = [await said(posts, OWN, ELIZA, SECOND) for _ in range(7)]
    assert ["queued"] * 12 + ["suppressed"] * 2 == states(await stored(store, *batch))


async def test_a_bot_addressed_in_the_same_batch_is_one_hop_further(store: SqlStore) -> None:
    posts = await room_of(store, OWN)
    await stored(store, (await posts.new())._replace(calls=(ELIZA,)))
    speaking = (await posts.new(by=ELIZA))._replace(calls=(OWN,))
    _, answer = await stored(store, speaking, await said(posts, OWN, SECOND))
    assert 3 == answer.runs[0].depth


async def test_a_reply_past_the_cap_is_kept_from_the_bot_alone_that_would_go_on(
    settings: Settings, store: SqlStore
) -> None:
    posts = await room_of(store, OWN)
    bot, bob = {"type": "bot", "id": OWN}, {"type": "user", "id": "user_bob"}
    heard = []
    for depth in (1, 2):
        run = await working(store, posts)
        reply = Reply("succeeded", "@own @bob?", AT_MS, mention=(bot, bob), calls=(OWN,))
        async with limited(settings, Limits(depth=depth)) as gateway:
            assert await gateway.runs.finish(run.id, 1, reply) is not None
        message = await store.messages.get(ACME, "room_1", run.reply_message_id)
        assert message is not None
        heard.append(message.mention)
    assert [(bob,), (bot, bob)] == heard


async def test_who_follows_threads_is_asked_where_it_spoke_and_nowhere_else(
    store: SqlStore,
) -> None:
    posts = await room_of(store)

    async def asked(thread_id: str) -> int:
        new = await posts.new(thread_id=thread_id)
        summons = Summons(ELIZA, f"run_{new.message_id}", f"re_{new.message_id}", in_thread=True)
        (posted,) = await stored(store, new._replace(summons=(summons,)))
        return len(posted.runs)

    root, other, own = await posts.send(), await posts.send(), await posts.send(by=ELIZA)
    assert 0 == await asked(root.message_id)
    await posts.send(by=ELIZA, thread_id=root.message_id)
    assert [1, 0, 1] == [await asked(each.message_id) for each in (root, other, own)]


# The same request, the same moment.


async def test_a_request_that_comes_twice_wakes_and_counts_once(
    settings: Settings, store: SqlStore
) -> None:
    posts = await room_of(store)
    key = RequestKey("scope", "k", "digest")
    async with limited(settings, Limits(budget=Budget(runs=3))) as gateway:
        new = [await said(posts, "user_alice", ELIZA, key=key) for _ in range(2)]
        first, second = await stored(gateway, *new)
        again = _posted((await gateway.posts.commit([new[0]]))[0])
        assert (1, (), ()) == (len(first.woken), second.woken, again.woken)
        assert [first.runs[0].id] * 2 == [each.runs[0].id for each in (second, again)]
        rest = [await said(posts, "user_alice", ELIZA) for _ in range(3)]
        made = [state for each in rest for state in states(await stored(gateway, each))]
    assert ["queued", "queued", "suppressed"] == made


async def meanwhile(
    store: SqlStore, hold: Callable[[Connection], object], then: Coroutine[Any, Any, T]
) -> T:
    """What `then` returns when it is begun while the transaction of `hold` is open, which commits
    as soon as `then` waits for it. On SQLite, where writers take turns, they go one by one."""
    database = store.database
    if not isinstance(database, PostgresDatabase):
        await database.write(hold)
        return await then

    async def held(connection: Any) -> asyncio.Task[T]:
        await connection.run_sync(hold)
        task = asyncio.create_task(then)

        async def begun() -> bool:
            return task.done() or await store.database.read(_somebody_waits)

        await until(begun)
        return task

    return await (await database.transact(held))


def _somebody_waits(connection: Connection) -> bool:
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
    return connection.exec_driver_sql(waiting).first() is not None


def begins(run: Run) -> Callable[[Connection], object]:
    """A worker begins it."""
    statement = text("UPDATE runs SET state = 'running', attempt = attempt + 1 WHERE id = :id")
    return lambda connection: connection.execute(statement, {"id": run.id}).rowcount


async def test_nothing_is_merged_into_a_run_that_is_begun_at_the_same_moment(
    store: SqlStore,
) -> None:
    posts = await room_of(store)
    run = (await posts.send(calls=(ELIZA,))).runs[0]
    new = await posts.new(thread_id=run.thread_id)
    merging = new._replace(summons=(Summons(ELIZA, "run_new", "msg_new", busy="merge"),))
    (posted,) = await meanwhile(store, begins(run), stored(store, merging))
    assert ["queued"] == states([posted])


async def test_an_answer_that_comes_too_late_for_a_question_starts_a_run(store: SqlStore) -> None:
    posts = await room_of(store)
    run = await working(store, posts)
    await store.runs.pause(run.id, 1, Pause("person", LONG_MS, AT_MS, "asks", {}, "Which?", "q"))
    answer = await posts.new(thread_id=run.thread_id, calls=(ELIZA,))
    (posted,) = await meanwhile(store, begins(run), stored(store, answer))
    assert ["queued"] == states([posted])


async def test_of_two_runs_of_a_lane_one_is_claimed_whatever_each_claim_saw(
    store: SqlStore,
) -> None:
    posts = await room_of(store)
    first = (await posts.send(calls=(ELIZA,))).runs[0]
    second = (await posts.send(calls=(ELIZA,), thread_id=first.thread_id)).runs[0]
    claim = store.runs.claim(first.id, "w", LONG_MS)
    assert await meanwhile(store, begins(second), claim) is None
    assert "queued" == (await found(store, first)).state


# Interrupting.


async def interrupting(posts: Posts, run: Run) -> NewPost:
    new = await posts.new(thread_id=run.thread_id)
    return new._replace(summons=(Summons(ELIZA, "run_new", "msg_new", busy="interrupt"),))


async def test_a_newer_message_does_not_hide_who_cancelled(store: SqlStore) -> None:
    posts = await room_of(store)
    run = await working(store, posts)
    await store.runs.cancel(ACME, run.id, "user_bob", AT_MS)
    await stored(store, await interrupting(posts, run))
    assert "user_bob" == (await found(store, run)).cancelled_by


@pytest.mark.parametrize("waits", [True, False])
async def test_a_newer_message_ends_the_run_that_waits_and_says_so(
    store: SqlStore, waits: bool
) -> None:
    posts = await room_of(store)
    run = (await posts.send(calls=(ELIZA,))).runs[0]
    if waits:
        await claimed(store, run)
        await store.runs.pause(run.id, 1, Pause("answer", LONG_MS, AT_MS, "later", {}))
    (posted,) = await stored(store, await interrupting(posts, run))
    assert ({run.id, "run_new"}, (run.id,)) == (set(posted.woken), posted.cut)
    ended = await store.runs.end_cancelled(run.id, AT_MS)
    assert ended is not None
    assert ("cancelled", NEWER_CAME) == (ended.run.state, ended.run.reason)
    assert "run_new" in ended.woken
    assert await store.runs.claim("run_new", "w", LONG_MS) is not None


# Budgets.


async def test_two_gateways_start_no_more_than_a_tenants_budget(
    settings: Settings, store: SqlStore
) -> None:
    posts = Posts(store)
    limits = Limits(budget=Budget(runs=5))
    for number in range(10):
        await add_room(store, f"room_{number}")
    new = [await said(posts, "user_alice", ELIZA, room_id=f"room_{n % 10}") for n in range(20)]
    async with limited(settings, limits) as one, limited(settings, limits) as other:
        made = await asyncio.gather(
            *(stored((one, other)[n % 2], post) for n, post in enumerate(new))
        )
    assert 5 == [state for each in made for state in states(each)].count("queued")


def used(run: Run, tokens: int = 0, after_s: int = 0) -> Reply:
    assert run.started_ms is not None
    usage = {"prompt_tokens": tokens, "completion_tokens": 0, "estimated": False}
    return Reply("succeeded", "x", run.started_ms + after_s * 1000, usage=usage)


@pytest.mark.parametrize(
    ("budget", "tokens", "seconds", "told"),
    [(Budget(tokens=100), 40, 0, "80 of the tenant's 100 tokens for today are used"),
     (Budget(seconds=10), 0, 4, "8 of the tenant's 10 seconds for today are used")],
)  # fmt: skip
async def test_four_fifths_of_what_runs_use_are_told_once(
    settings: Settings, store: SqlStore, budget: Budget, tokens: int, seconds: int, told: str
) -> None:
    posts, warned = await room_of(store), []
    runs = [await working(store, posts) for _ in range(3)]
    async with limited(settings, Limits(budget=budget)) as gateway:
        for run in runs:
            ended = await gateway.runs.finish(run.id, 1, used(run, tokens, seconds))
            assert ended is not None
            warned.append(ended.run.warning and ended.run.warning["message"])
    assert [None, told, None] == warned


async def test_a_clock_that_is_behind_gives_nothing_back(
    settings: Settings, store: SqlStore
) -> None:
    posts, warned = await room_of(store), []
    runs = [await working(store, posts) for _ in range(3)]
    async with limited(settings, Limits(budget=Budget(seconds=10))) as gateway:
        for run, after_s in zip(runs, (4, -60, 4), strict=True):
            ended = await gateway.runs.finish(run.id, 1, used(run, after_s=after_s))
            assert ended is not None
            warned.append(ended.run.warning and ended.run.warning["used"])
    assert [None, None, 8] == warned


FAILED = Reply("failed", "Sorry", AT_MS, "failed", "broken")


async def failed(store: SqlStore, run: Run) -> Run:
    await claimed(store, run)
    assert await store.runs.finish(run.id, 1, FAILED) is not None
    return run


async def test_trying_again_is_a_run_of_the_budget(settings: Settings, store: SqlStore) -> None:
    posts = await room_of(store)
    async with limited(settings, Limits(budget=Budget(runs=2))) as gateway:
        (posted,) = await stored(gateway, await posts.new(calls=(ELIZA,)))
        run = await failed(gateway, posted.runs[0])
        again = await gateway.runs.again(ACME, run.id, next_of(run))
        assert again is not None
        ((told, _),) = again.entries
        assert 2 == (told.data or {})["warning"]["used"]
        second = await failed(gateway, next_of(run))
        with pytest.raises(Limited, match="2 runs a day") as caught:
            await gateway.runs.again(ACME, second.id, next_of(second))
    assert "BUDGET_EXCEEDED" == caught.value.code
    assert await store.runs.get(ACME, next_of(second).id) is None


async def test_a_machine_that_tries_again_stays_in_its_chain(
    settings: Settings, store: SqlStore
) -> None:
    posts = await room_of(store, OWN)
    async with limited(settings, Limits(replies=2)) as gateway:
        (posted,) = await stored(gateway, await posts.new(calls=(ELIZA,)))
        run = await failed(gateway, posted.runs[0])
        by_machine = replace(next_of(run), caller_id=OWN)
        assert await gateway.runs.again(ACME, run.id, by_machine) is not None
        second = await failed(gateway, by_machine)
        with pytest.raises(Limited, match="at most 2 replies"):
            await gateway.runs.again(ACME, second.id, next_of(second))
        by_person = replace(next_of(second), caller_id="user_bob")
        assert await gateway.runs.again(ACME, second.id, by_person) is not None


async def test_a_person_is_looked_for_among_the_newest_messages_alone(store: SqlStore) -> None:
    """A machine that nobody speaks to posts for ever without reading all it has said."""
    await add_room(store, people=("user_alice", OWN))
    posts = Posts(store)
    human = await posts.send()
    await store.posts.commit([await posts.new(by=OWN) for _ in range(HUMAN_AMONG - 1)], wait=True)
    roots = []
    for _ in range(2):
        own = await posts.send(by=OWN)
        kept = await store.messages.get(ACME, "room_1", own.message_id)
        assert kept is not None
        roots.append((own.message_id, kept.root_message_id))
    (_, last_known), (new, forgotten) = roots
    assert (human.message_id, new) == (last_known, forgotten)
