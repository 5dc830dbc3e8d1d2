"""`workers.drivers.a2a` against an agent on the a2a-sdk, in a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from hub.core.chat import Finish, TextDelta
from hub.core.errors import Backend
from hub.core.invoking import Part
from hub.core.values import Author, Json
from workers.drivers.a2a import A2aDriver

from .playing import (
    ALICE,
    HELPER,
    QUICK,
    half_played,
    invocation,
    later,
    memory_of,
    message,
    open_driver,
    play,
    question,
    statuses,
    text_of,
)

AGENT = Path(__file__).with_name("agent.py")
WRITTEN = "Three little pieces of 🎉."


@dataclass(frozen=True, slots=True)
class AgentProcess:
    """A running agent; `base` is its address."""

    base: str

    async def seen(self, **at_least: int) -> Json:
        """What it has seen, once there is that much: `await agent.seen(cancelled=1)`."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            answer = await client.get(f"{self.base}/seen", params=at_least)
            return dict(answer.json())

    async def open(self) -> None:
        """Lets every waiting task go on."""
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            await client.post(f"{self.base}/open")


@pytest.fixture(scope="module")
def agent_process() -> Iterator[AgentProcess]:
    process = subprocess.Popen(
        [sys.executable, str(AGENT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            yield AgentProcess(process.stdout.readline().strip())
        finally:
            process.kill()


@pytest.fixture
async def agent(agent_process: AgentProcess) -> AgentProcess:
    """The agent, which has seen nothing yet."""
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        await client.post(f"{agent_process.base}/forget")
    return agent_process


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as opened:
        yield opened


@pytest.fixture
def driver(client: httpx.AsyncClient) -> A2aDriver:
    return A2aDriver(client, QUICK)


EVERY = pytest.mark.parametrize("path", ["stream", "plain", "rest", "old"])


@EVERY
async def test_the_artifact_is_the_reply(agent: AgentProcess, driver: A2aDriver, path: str) -> None:
    parts = await play(driver, invocation(f"{agent.base}/{path}"))
    assert text_of(parts) == WRITTEN
    assert parts[-1] == Finish("stop")
    assert set(memory_of(parts)) == {"task_id", "context_id"}


@pytest.mark.parametrize("path", ["stream", "rest", "old"])
async def test_a_streaming_agent_is_heard_while_it_works(
    agent: AgentProcess, driver: A2aDriver, path: str
) -> None:
    async with driver.invoke(invocation(f"{agent.base}/{path}", "gated")) as parts:
        seen: list[Part] = []
        async with asyncio.timeout(20):
            while text_of(seen) != "before ":
                seen.append(await anext(parts))
            await agent.open()
            seen += [part async for part in parts]
    assert statuses(seen) == ["submitted", "working: waiting"]
    assert text_of(seen) == "before after"


async def test_an_agent_that_does_not_stream_is_asked_until_it_has_ended(
    agent: AgentProcess, driver: A2aDriver
) -> None:
    async with driver.invoke(invocation(f"{agent.base}/plain", "gated")) as parts:
        seen: list[Part] = []
        async with asyncio.timeout(20):
            while text_of(seen) != "before ":
                seen.append(await anext(parts))
            await agent.open()
            seen += [part async for part in parts]
    assert statuses(seen)[-1] == "working: waiting"
    assert text_of(seen) == "before after"


@EVERY
async def test_a_message_is_a_whole_reply(
    agent: AgentProcess, driver: A2aDriver, path: str
) -> None:
    parts = await play(driver, invocation(f"{agent.base}/{path}", "message"))
    assert parts == [TextDelta("just a message"), Finish("stop")]


@EVERY
async def test_artifacts_and_the_last_word_are_paragraphs(
    agent: AgentProcess, driver: A2aDriver, path: str
) -> None:
    parts = await play(driver, invocation(f"{agent.base}/{path}", "two"))
    assert text_of(parts) == "first\n\nsecond\n\nand done"


@EVERY
async def test_data_is_fenced_json_and_a_file_its_name_and_address(
    agent: AgentProcess, driver: A2aDriver, path: str
) -> None:
    parts = await play(driver, invocation(f"{agent.base}/{path}", "parts"))
    text = text_of(parts).replace("1.0", "1")  # every number is a float in protobuf
    assert text.startswith('See:\n\n```json\n{\n  "n": 1\n}\n```\n')
    assert "File: report.pdf https://files.example/report.pdf" in text


@EVERY
async def test_a_task_without_output_is_an_empty_reply(
    agent: AgentProcess, driver: A2aDriver, path: str
) -> None:
    parts = await play(driver, invocation(f"{agent.base}/{path}", "nothing"))
    assert (text_of(parts), parts[-1]) == ("", Finish("stop"))


@EVERY
async def test_a_question_pauses_and_the_answer_resumes_the_same_task(
    agent: AgentProcess, driver: A2aDriver, path: str
) -> None:
    asking = invocation(f"{agent.base}/{path}", "ask")
    ask = await question(driver, asking)
    assert ask.question == "Which colour?"
    answered = later(asking, ask.memory, message("blue, please", seq=12))
    parts = await play(driver, answered)
    assert text_of(parts) == "you said: blue, please"
    first, second = (await agent.seen())["messages"]
    assert "taskId" not in first or first["taskId"] == ask.memory["task_id"]
    assert second["taskId"] == ask.memory["task_id"]
    assert second["contextId"] == first["contextId"] == ask.memory["context_id"]
    assert second["messageId"] == "msg_12"
    assert (await agent.seen())["cancelled"] == []


@EVERY
async def test_an_answer_is_given_once_however_often_it_is_attempted(
    agent: AgentProcess, driver: A2aDriver, path: str
) -> None:
    asking = invocation(f"{agent.base}/{path}", "ask")
    ask = await question(driver, asking)
    answer = message("blue", seq=12)
    first = await play(driver, later(asking, ask.memory, answer))
    again = await play(driver, later(asking, memory_of(first), answer))
    assert text_of(again) == text_of(first) == "you said: blue"
    assert len((await agent.seen())["messages"]) == 2


@EVERY
@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("fail", "the agent failed: the disk is full"),
        ("reject", "the agent rejected the request: not my job"),
        ("give_up", "the agent canceled its task: changed my mind"),
    ],
)
async def test_a_bad_end_is_a_failure_in_the_words_of_the_agent(
    agent: AgentProcess, driver: A2aDriver, path: str, told: str, sentence: str
) -> None:
    with pytest.raises(Backend) as caught:
        await play(driver, invocation(f"{agent.base}/{path}", told))
    assert (caught.value.message, caught.value.transient) == (sentence, False)
    assert (await agent.seen())["cancelled"] == []


async def test_a_wish_for_a_sign_in_fails_clearly_and_leaves_no_task(
    agent: AgentProcess, driver: A2aDriver
) -> None:
    with pytest.raises(Backend, match="wants a sign-in, which the hub cannot give: sign in at"):
        await play(driver, invocation(f"{agent.base}/stream", "auth"))
    await agent.seen(cancelled=1)


@EVERY
async def test_leaving_early_cancels_the_task_at_the_agent(
    agent: AgentProcess, driver: A2aDriver, path: str
) -> None:
    async with half_played(driver, invocation(f"{agent.base}/{path}", "gated")) as memory:
        pass
    assert (await agent.seen(cancelled=1))["cancelled"] == [memory["task_id"]]


async def test_being_cancelled_cancels_the_task_at_the_agent(
    agent: AgentProcess, driver: A2aDriver
) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async with driver.invoke(invocation(f"{agent.base}/stream", "gated")) as parts:
            async for part in parts:
                if isinstance(part, TextDelta):
                    begun.set()

    reading = asyncio.ensure_future(read())
    async with asyncio.timeout(20):
        await begun.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert len((await agent.seen(cancelled=1))["cancelled"]) == 1


async def test_a_finished_task_is_not_cancelled(agent: AgentProcess, driver: A2aDriver) -> None:
    await play(driver, invocation(f"{agent.base}/stream"))
    assert (await agent.seen())["cancelled"] == []


@EVERY
async def test_abandoning_a_question_cancels_its_task(
    agent: AgentProcess, driver: A2aDriver, path: str
) -> None:
    asking = invocation(f"{agent.base}/{path}", "ask")
    ask = await question(driver, asking)
    await driver.abandon(later(asking, ask.memory))
    assert (await agent.seen(cancelled=1))["cancelled"] == [ask.memory["task_id"]]


async def test_abandoning_what_began_nothing_asks_nobody(driver: A2aDriver) -> None:
    await driver.abandon(invocation("http://127.0.0.1:9/nowhere"))


@EVERY
async def test_a_later_attempt_follows_the_task_of_one_whose_worker_died(
    agent: AgentProcess, driver: A2aDriver, path: str
) -> None:
    given = invocation(f"{agent.base}/{path}", "gated")
    async with half_played(driver, given) as memory:
        async with open_driver() as other, other.invoke(later(given, memory)) as parts:
            seen: list[Part] = []
            async with asyncio.timeout(20):
                while text_of(seen) != "before ":
                    seen.append(await anext(parts))
                await agent.open()
                seen += [part async for part in parts]
    assert text_of(seen) == "before after"
    assert seen[-1] == Finish("stop")
    assert len((await agent.seen())["messages"]) == 1


@EVERY
async def test_a_later_attempt_takes_the_result_of_a_task_that_has_ended(
    agent: AgentProcess, driver: A2aDriver, path: str
) -> None:
    given = invocation(f"{agent.base}/{path}")
    memory = memory_of(await play(driver, given))
    parts = await play(driver, later(given, memory))
    assert (text_of(parts), parts[-1]) == (WRITTEN, Finish("stop"))
    assert len((await agent.seen())["messages"]) == 1


async def test_a_task_that_the_hub_itself_cut_short_is_begun_anew_once(
    agent: AgentProcess, driver: A2aDriver
) -> None:
    given = invocation(f"{agent.base}/stream", "gated")
    async with half_played(driver, given) as memory:
        pass
    await agent.seen(cancelled=1)
    await agent.open()
    parts = await play(driver, later(given, memory))
    assert text_of(parts) == "before after"
    assert memory_of(parts)["task_id"] != memory["task_id"]
    first, second = (await agent.seen())["messages"]
    assert first["messageId"] != second["messageId"]


async def test_a_forgotten_task_fails_rather_than_to_be_done_twice(
    agent: AgentProcess, driver: A2aDriver
) -> None:
    given = invocation(f"{agent.base}/stream")
    with pytest.raises(Backend, match="Task not found"):
        await play(driver, later(given, {"task_id": "gone", "context_id": "c"}))
    assert (await agent.seen())["messages"] == []


async def test_the_agent_is_told_who_speaks_and_what_it_has_not_seen(
    agent: AgentProcess, driver: A2aDriver
) -> None:
    thread = (
        message("an old question", 1),
        message("an old answer", 2, HELPER),
        message("I think not", 3, Author("bot_b", "bot", "b", "Bee")),
        message("withdrawn", 4, deleted_ms=1),
        message("half a", 5, HELPER, status="failed"),
        message("write"),
        message("too late", 11),
    )
    await play(driver, invocation(f"{agent.base}/stream", thread=thread))
    [told] = (await agent.seen())["messages"]
    assert [part["text"] for part in told["parts"]] == [
        "Earlier in this conversation:\nBee (bot): I think not",
        "write",
    ]
    assert told["messageId"] == "run_1"
    about = told["metadata"]["roomhub"]
    assert about["author"] == ALICE.as_dict()
    assert about["room"] == {"id": "room_1", "name": "Lab", "kind": "room"}
    assert (about["thread_id"], about["run_id"]) == ("msg_1", "run_1")


async def test_the_context_is_that_of_the_thread_and_the_participant(
    agent: AgentProcess, driver: A2aDriver
) -> None:
    first = invocation(f"{agent.base}/stream", "message")
    others = [
        replace(first, run=replace(first.run, id="run_2")),
        replace(first, run=replace(first.run, thread_id="msg_2")),
        replace(first, run=replace(first.run, participant_id="agent_other")),
    ]
    for given in (first, *others):
        await play(driver, given)
    one, same, *different = [m["contextId"] for m in (await agent.seen())["messages"]]
    assert one == same
    assert len({one, *different}) == 3
