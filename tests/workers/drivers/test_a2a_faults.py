"""`workers.drivers.a2a`: agents that misbehave are short, clear failures, and bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.core.chat import Finish
from hub.core.errors import Backend, BackendTimeout
from hub.core.invoking import Ask
from hub.core.text import CONTENT_BYTES
from hub.core.values import Json

from .playing import (
    QUICK,
    half_played,
    invocation,
    later,
    memory_of,
    message,
    open_driver,
    play,
    text_of,
)
from .raw_agent import answer, events, piece, raw_agent, refused, result, status, task


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
