"""workers/drivers/a2a.py against an agent on the a2a-sdk in a process of its own, and against raw
endpoints that misbehave."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from hub.core.chat import ChatRequest, Finish, TextDelta
from hub.core.errors import Backend, BackendTimeout
from hub.core.invoking import Ask, Invocation, Part, Remember, Status
from hub.core.text import CONTENT_BYTES
from hub.core.values import Author, Json, Message, Run
from workers.drivers.a2a import A2aDriver
from workers.drivers.a2a_http import Bounds

AGENT = Path(__file__).with_name("agent.py")
WRITTEN = "Three little pieces of 🎉."
ALICE = Author("user_alice", "user", "alice", "Alice")
HELPER = Author("agent_helper", "agent", "helper", "Helper")
QUICK = Bounds(poll_s=0.02, poll_most_s=0.05)


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


def message(text: str, seq: int = 9, author: Author = ALICE, **fields: Any) -> Message:
    return Message(f"msg_{seq}", "room_1", seq, None, author, text, (), 0, **fields)


def invocation(url: str, text: str = "write", **fields: Any) -> Invocation:
    run = Run(
        "run_1", "default", "room_1", HELPER.id, "msg_9", 0, "msg_1", "running", None, 1, 1,
        "msg_9", "msg_10", 0,
    )  # fmt: skip
    trigger = message(text)
    given = Invocation(
        run, HELPER, {"kind": "a2a", "url": url}, {"id": "room_1", "name": "Lab", "kind": "room"},
        trigger, (trigger,), ChatRequest("", ()), 30.0,
    )  # fmt: skip
    return replace(given, **fields)


def later(given: Invocation, memory: Json, answer: Message | None = None) -> Invocation:
    """The next attempt of the same run."""
    run = replace(given.run, attempt=given.run.attempt + 1, memory=memory)
    return replace(given, run=run, answer=answer)


async def play(driver: A2aDriver, given: Invocation) -> list[Part]:
    """Every part up to the end, checked against the port's promises."""
    async with asyncio.timeout(30):
        async with driver.invoke(given) as parts:
            played = [part async for part in parts]
    assert all(part.text for part in played if isinstance(part, TextDelta))
    assert [part for part in played[:-1] if isinstance(part, Finish | Ask)] == []
    return played


async def question(driver: A2aDriver, asking: Invocation) -> Ask:
    """What the agent asks back."""
    asked = (await play(driver, asking))[-1]
    assert isinstance(asked, Ask)
    return asked


def text_of(parts: list[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextDelta))


def statuses(parts: list[Part]) -> list[str]:
    return [part.text for part in parts if isinstance(part, Status)]


def memory_of(parts: list[Part]) -> Json:
    return [part.memory for part in parts if isinstance(part, Remember)][-1]


@asynccontextmanager
async def half_played(driver: A2aDriver, given: Invocation) -> AsyncIterator[Json]:
    """An attempt that has been told of its task and has its first text; yields what it remembers,
    is left in the middle."""
    async with asyncio.timeout(30):
        async with driver.invoke(given) as parts:
            seen = []
            async for part in parts:
                seen.append(part)
                if isinstance(part, TextDelta):
                    break
            yield memory_of(seen)


EVERY = pytest.mark.parametrize("path", ["stream", "plain", "rest", "old"])


# Against the SDK.


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


# Against endpoints that misbehave.

Reply = Callable[[Json], Awaitable[bytes] | bytes]


@asynccontextmanager
async def open_driver(bounds: Bounds = QUICK) -> AsyncIterator[A2aDriver]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield A2aDriver(client, bounds)


def answer(body: Any, kind: str = "application/json", status: int = 200, extra: str = "") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} Some Reason\r\nContent-Type: {kind}\r\nConnection: close\r\n{extra}"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def result(value: Any) -> bytes:
    return answer({"jsonrpc": "2.0", "id": 1, "result": value})


def events(*values: Any) -> bytes:
    frames = [json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}) for value in values]
    return answer("".join(f"data: {f}\n\n" for f in frames).encode(), "text/event-stream")


def task(state: str, *texts: str, said: str = "", **fields: Any) -> Json:
    status: Json = {"state": f"TASK_STATE_{state}"}
    if said:
        status["message"] = {"messageId": "q", "parts": [{"text": said}]}
    artifacts = [{"artifactId": f"a{n}", "parts": [{"text": t}]} for n, t in enumerate(texts)]
    return {"id": "t", "contextId": "c", "status": status, "artifacts": artifacts, **fields}


def piece(text: str, name: str = "a0", **fields: Any) -> Json:
    artifact = {"artifactId": name, "parts": [{"text": text}]}
    return {"artifactUpdate": {"taskId": "t", "contextId": "c", "artifact": artifact, **fields}}


def status(state: str, said: str = "") -> Json:
    return {"statusUpdate": {"taskId": "t", "contextId": "c", **task(state, said=said)}}


def card(url: str, *, streaming: bool = False, **fields: Any) -> Json:
    interface = {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    return {
        "supportedInterfaces": [interface],
        "capabilities": {"streaming": streaming},
        **fields,
    }


@dataclass
class Raw:
    """A hand-made agent: its address, what it was asked, and what it answers by method; `holds`
    says that it keeps streams open when it has no more to say."""

    base: str
    calls: list[Json]
    replies: dict[str, bytes | list[bytes]]
    card: bytes = b""
    cards_read: int = 0
    holds: bool = False

    def methods(self) -> list[str]:
        return [call["method"] for call in self.calls]

    def reply(self, request: Json) -> bytes:
        self.calls.append(request)
        given = self.replies[request["method"]]
        if isinstance(given, list):
            return given.pop(0) if len(given) > 1 else given[0]
        return given


@asynccontextmanager
async def raw_agent(*, streaming: bool = False, **replies: Any) -> AsyncIterator[Raw]:
    """Answers as said; b"" hangs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if head.startswith("GET"):
                raw.cards_read += 1
                data = raw.card
            else:
                size = int(head.lower().partition("content-length:")[2].split()[0])
                data = raw.reply(json.loads(await reader.readexactly(size)))
            if not data:
                await reader.read()
            writer.write(data)
            await writer.drain()
            if raw.holds and b"event-stream" in data:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    raw = Raw(base, [], {"CancelTask": result(task("CANCELED")), **replies})
    raw.card = answer(card(f"{base}/rpc", streaming=streaming))
    async with server:
        yield raw


async def refused(
    raw: Raw, bounds: Bounds = QUICK, kind: type[Backend] = Backend, **fields: Any
) -> Backend:
    async with open_driver(bounds) as driver:
        with pytest.raises(kind) as caught:
            await play(driver, invocation(raw.base, **fields))
    assert len(caught.value.message) < 400
    return caught.value


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (answer(b"<html>"), "not a JSON object"),
        (answer([1]), "not a JSON object"),
        (answer(b"[" * 100_000), "not a JSON object"),
        (answer({"id": 1}), "neither a message nor news"),
        (result({"task": {"id": "t"}}), "a task without a status"),
        (result({"task": {"status": {"state": "x"}}}), "without a usable id"),
        (result({"task": {"id": "t\ud800", "status": {}}}), "without a usable id"),
        (result({"message": {"parts": [{"text": "x" * 900_000}]}}), "more than 500000 bytes"),
        (
            answer({"error": {"code": -32603, "message": "out of\ncheese"}}),
            "answered with an error: out of cheese",
        ),
        (answer({"error": 7}), "answered with an error: no reason given"),
        (answer(b"", extra="Content-Encoding: gzip\r\n"), "Content-Encoding gzip"),
        (answer(b"", status=302, extra="Location: /x\r\n"), "redirects"),
        (answer(b"", status=401), "wants credentials"),
        (answer({"error": {"message": "no"}}, status=400), "HTTP 400): no"),
    ],
)
async def test_bad_answers_are_short_clear_failures(body: bytes, sentence: str) -> None:
    async with raw_agent(SendMessage=body) as raw:
        error = await refused(raw, replace(QUICK, max_bytes=500_000))
    assert sentence in error.message
    assert not error.transient


@pytest.mark.parametrize(
    ("status_code", "transient", "wait_s"),
    [(429, True, 7.0), (503, True, 7.0), (500, True, 7.0), (404, False, 7.0)],
)
async def test_an_http_error_may_pass_when_the_server_says_so(
    status_code: int, transient: bool, wait_s: float
) -> None:
    body = answer(b"oops", status=status_code, extra="Retry-After: 7\r\n")
    async with raw_agent(SendMessage=body) as raw:
        error = await refused(raw)
    assert (error.transient, error.retry_after) == (transient, wait_s)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (answer(b"data: {nonsense\n\n", "text/event-stream"), "not a JSON object"),
        (answer(b"data: " + b"x" * 2_000_000, "text/event-stream"), "an event of more than"),
        (answer(b":\n" * 2_000_000, "text/event-stream"), "more than 3000000 bytes"),
        (answer(b"", "text/event-stream"), "broke off"),
        (events({"artifactUpdate": {"taskId": "t"}}), "an artifact without content"),
    ],
)
async def test_bad_streams_are_short_clear_failures(body: bytes, sentence: str) -> None:
    async with raw_agent(streaming=True, SendStreamingMessage=body) as raw:
        error = await refused(raw, replace(QUICK, max_bytes=3_000_000))
    assert sentence in error.message


@pytest.mark.parametrize("streaming", [False, True])
async def test_silence_is_bounded(streaming: bool) -> None:
    method = "SendStreamingMessage" if streaming else "SendMessage"
    async with raw_agent(streaming=streaming, **{method: b""}) as raw:
        error = await refused(raw, replace(QUICK, idle_s=0.2), BackendTimeout, deadline_s=0.2)
    assert error.transient


@pytest.mark.parametrize("fault", ["ended", "torn", "silent"])
async def test_a_stream_that_breaks_off_is_followed_by_asking(fault: str) -> None:
    begun = events({"task": task("WORKING", "one ")})
    torn = begun.replace(b"Content-Length: ", b"Content-Length: 1")  # more than there is
    async with (
        raw_agent(
            streaming=True,
            SendStreamingMessage=begun if fault == "ended" else torn,
            SubscribeToTask=answer({"error": {"code": -32004, "message": "no"}}),
            GetTask=result(task("COMPLETED", "one two")),
        ) as raw,
        open_driver(replace(QUICK, idle_s=0.5)) as driver,
    ):
        raw.holds = fault == "silent"
        parts = await play(driver, invocation(raw.base))
    assert text_of(parts) == "one two"
    assert raw.methods() == ["SendStreamingMessage", "SubscribeToTask", "GetTask"]


async def test_asking_outlives_a_few_failures() -> None:
    failing = answer(b"", status=503)
    async with (
        raw_agent(
            SendMessage=result({"task": task("WORKING")}),
            GetTask=[failing, failing, result(task("COMPLETED", "there"))],
        ) as raw,
        open_driver() as driver,
    ):
        parts = await play(driver, invocation(raw.base))
    assert text_of(parts) == "there"


async def test_a_task_that_cannot_be_asked_for_is_left_for_the_next_attempt() -> None:
    async with raw_agent(
        SendMessage=result({"task": task("WORKING")}), GetTask=answer(b"", status=503)
    ) as raw:
        error = await refused(raw)
    assert error.transient
    assert raw.methods() == ["SendMessage"] + ["GetTask"] * (QUICK.poll_patience + 1)


async def test_an_answer_that_did_not_arrive_is_not_forgotten() -> None:
    async with (
        raw_agent(
            SendMessage=answer(b"", status=503), GetTask=result(task("INPUT_REQUIRED", said="?"))
        ) as raw,
        open_driver() as driver,
    ):
        given = later(invocation(raw.base), {"task_id": "t", "context_id": "c"}, message("yes", 12))
        with pytest.raises(Backend, match="HTTP 503") as caught:
            await play(driver, given)
    assert caught.value.transient
    assert raw.methods() == ["SendMessage"]


async def test_a_question_still_shown_after_the_answer_is_not_asked_again() -> None:
    waiting = task("INPUT_REQUIRED", said="Which?")
    async with (
        raw_agent(
            SendMessage=result({"task": waiting}), GetTask=result(task("COMPLETED", "that one"))
        ) as raw,
        open_driver() as driver,
    ):
        ask = (await play(driver, invocation(raw.base)))[-1]
        assert isinstance(ask, Ask)
        parts = await play(driver, later(invocation(raw.base), ask.memory, message("this", 12)))
    assert (text_of(parts), parts[-1]) == ("that one", Finish("stop"))


async def test_an_agent_that_makes_its_own_contexts_is_let() -> None:
    refusing = answer({"error": {"code": -32602, "message": "unknown context"}})
    async with (
        raw_agent(SendMessage=[refusing, result({"task": task("COMPLETED", "hello")})]) as raw,
        open_driver() as driver,
    ):
        parts = await play(driver, invocation(raw.base))
    assert memory_of(parts) == {"task_id": "t", "context_id": "c"}
    first, second = [call["params"]["message"] for call in raw.calls]
    assert "contextId" in first
    assert "contextId" not in second


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ([piece("a"), piece("b", append=True), piece("c", "a1")], "ab\n\nc"),
        ([piece("a"), piece("x", "a1"), piece("b", append=True)], "a\n\nx\n\nb"),
        ([piece("a"), piece("ab"), piece("abc")], "abc"),
        ([piece("10%"), piece("20%"), piece("done")], "10%\n\ndone"),
        ([piece("\ud83c"), piece("\udf89", append=True)], "🎉"),
        ([piece("a\x00b\ud800c")], "ab\ufffdc"),
        ([piece("\n\nlate start")], "late start"),
        ([piece("")], ""),
    ],
)
async def test_pieces_become_one_text(sent: list[Json], text: str) -> None:
    stream = events({"task": task("WORKING")}, *sent, status("COMPLETED"))
    async with raw_agent(streaming=True, SendStreamingMessage=stream) as raw, open_driver() as it:
        assert text_of(await play(it, invocation(raw.base))) == text


async def test_a_reply_is_cut_at_the_limit_of_a_message() -> None:
    done = result({"task": task("COMPLETED", "é" * CONTENT_BYTES)})
    async with raw_agent(SendMessage=done) as raw, open_driver() as driver:
        parts = await play(driver, invocation(raw.base))
    assert len(text_of(parts).encode()) == CONTENT_BYTES
    assert parts[-1] == Finish("length")


async def test_the_last_word_is_not_said_twice() -> None:
    done = result({"task": task("COMPLETED", "the answer", said="the answer")})
    async with raw_agent(SendMessage=done) as raw, open_driver() as driver:
        assert text_of(await play(driver, invocation(raw.base))) == "the answer"


async def test_a_hung_cancel_does_not_hold_the_worker() -> None:
    working = result({"task": task("WORKING", "x")})
    async with (
        raw_agent(SendMessage=working, GetTask=working, CancelTask=b"") as raw,
        open_driver(replace(QUICK, cancel_s=0.1)) as driver,
    ):
        async with half_played(driver, invocation(raw.base)):
            pass
    assert raw.methods()[-1] == "CancelTask"


# The card.


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (answer(b"", status=404), "no agent card"),
        (answer(b"", status=500), "HTTP 500"),
        (answer([1]), "not a JSON object"),
        (answer({"name": "x"}), "no interface the hub can speak"),
        (answer(b" " * 300_000), "more than 262144 bytes"),
        (answer({"url": "file:///etc/passwd"}), "no interface"),
        (answer({"url": "http://a", "preferredTransport": "GRPC"}), "no interface"),
        (answer({"url": "http://a", "protocolVersion": "2.0"}), "no interface"),
        (answer({"url": "http://a", "protocolVersion": "1.0\r\nX: y"}), "no interface"),
        (answer({"supportedInterfaces": "all"}), "no interface"),
    ],
)
async def test_a_card_that_cannot_be_used_is_said_clearly(given: bytes, sentence: str) -> None:
    async with raw_agent() as raw:
        raw.card = given
        assert sentence in (await refused(raw)).message


async def test_the_card_may_be_named_itself_and_is_kept_for_a_while() -> None:
    now = 0.0
    async with (
        raw_agent(SendMessage=result({"message": {"parts": [{"text": "hi"}]}})) as raw,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        driver = A2aDriver(client, QUICK, clock=lambda: now)
        given = invocation(f"{raw.base}/cards/mine.json")
        await play(driver, given)
        await play(driver, given)
        assert raw.cards_read == 1
        now = QUICK.card_age_s + 1
        await play(driver, given)
    assert raw.cards_read == 2


async def test_the_card_is_read_again_after_the_agent_has_refused() -> None:
    hello = result({"message": {"parts": [{"text": "hi"}]}})
    async with raw_agent(SendMessage=[answer(b"", status=404), hello]) as raw:
        async with open_driver() as driver:
            with pytest.raises(Backend):
                await play(driver, invocation(raw.base))
            assert text_of(await play(driver, invocation(raw.base))) == "hi"
    assert raw.cards_read == 2


async def test_the_newest_protocol_of_a_card_is_spoken_at_its_own_address() -> None:
    async with raw_agent(SendMessage=result({"message": {"parts": [{"text": "hi"}]}})) as raw:
        old = {"url": "/old", "protocolBinding": "JSONRPC", "protocolVersion": "0.3"}
        new = {"url": "/new", "protocolBinding": "JSONRPC", "protocolVersion": "1.0", "tenant": "t"}
        raw.card = answer({"supportedInterfaces": [old, new]})
        async with open_driver() as driver:
            await play(driver, invocation(raw.base))
    assert raw.methods() == ["SendMessage"]
    assert raw.calls[0]["params"]["tenant"] == "t"


async def test_nobody_is_called_without_an_agent() -> None:
    async with open_driver() as driver:
        with pytest.raises(Backend, match="connection to the agent failed") as caught:
            await play(driver, invocation("http://127.0.0.1:9"))
        assert caught.value.transient
        for url in ("not a url", "ftp://host/x", "http://[", ""):
            with pytest.raises(Backend):
                await play(driver, invocation(url))
