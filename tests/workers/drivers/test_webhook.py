"""workers/drivers/webhook.py against a webhook in a process of its own, over real sockets."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from hub.core.chat import Finish, TextDelta, Usage
from hub.core.errors import Backend, BackendTimeout
from hub.core.invoking import Escalate, Part, Silence, Status, Wait
from hub.core.text import CONTENT_BYTES
from hub.outbound import guarded_client
from workers.drivers.base import Driver, Gone
from workers.drivers.webhook import WebhookDriver

from .hook_server import SECRETS, TOKEN, HookServer, events, invocation, run_hook_server

DONE = "[DONE]"
STREAM = "text/event-stream"
FINISH = Finish("stop")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def running() -> Iterator[HookServer]:
    with run_hook_server() as server:
        yield server


@pytest.fixture
def server() -> Iterator[HookServer]:
    """One whose counts begin at nothing."""
    with run_hook_server() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with guarded_client(["127.0.0.1:1"]) as opened:
        yield opened


async def reply_of(url: str, *, idle_timeout_s: float = 20.0) -> list[Part]:
    """All parts of one answer, the text joined."""
    address = url.split("/")[2]
    async with guarded_client([address]) as client, asyncio.timeout(30):
        driver: Driver = WebhookDriver(client, now_ms, idle_timeout_s=idle_timeout_s)
        async with driver.invoke(invocation(url)) as parts:
            return joined([part async for part in parts])


def joined(parts: list[Part]) -> list[Part]:
    together: list[Part] = []
    for part in parts:
        if isinstance(part, TextDelta):
            assert part.text
            if together and isinstance(together[-1], TextDelta):
                part = TextDelta(together.pop().text + part.text)  # type: ignore[union-attr]
        together.append(part)
    return together


async def refused(url: str, **bounds: float) -> Backend:
    with pytest.raises(Backend) as caught:
        await reply_of(url, **bounds)
    return caught.value


async def test_a_request_verifies_with_every_secret_and_says_everything(
    server: HookServer,
) -> None:
    await reply_of(server.answer({"silence": True}))
    (request,) = await server.requests()
    headers, body = request["headers"], request["body"].encode("latin-1")
    for secret in SECRETS:
        Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS[0]).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 43 + "=").verify(body, headers)
    assert headers["webhook-id"] == "run_01"
    assert headers["user-agent"].startswith("roomhub/")
    assert headers["accept-encoding"] == "identity"
    asked = invocation("")
    assert json.loads(body) == {
        "type": "room.mention",
        "id": "run_01",
        "timestamp": "2023-11-14T22:13:20.500Z",
        "data": {
            "run": asked.run.as_dict(),
            "room": {"id": "room_1", "name": "Launch"},
            "message": asked.message.as_dict(),
            "thread": [asked.message.as_dict()],
            "context": [
                {"role": "system", "content": "be kind"},
                {"role": "user", "content": "Alice: hi"},
            ],
            "participant": asked.participant.as_dict(),
            "reply_url": "https://hub.example/v1/runs/run_01/reply",
            "token": TOKEN,
        },
    }


async def test_an_attempt_keeps_the_id_and_signs_its_own_time(server: HookServer) -> None:
    times = iter([1_700_000_100_999, 1_700_000_200_000])
    asked = invocation(server.answer({"silence": True}))
    async with guarded_client([server.address]) as client:
        driver = WebhookDriver(client, lambda: next(times))
        for _ in range(2):
            async with driver.invoke(asked) as parts:
                assert [part async for part in parts] == [Silence()]
    first, second = await server.requests()
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"] == "run_01"
    assert first["headers"]["webhook-timestamp"] == "1700000100"
    assert second["headers"]["webhook-timestamp"] == "1700000200"
    assert first["headers"]["webhook-signature"] != second["headers"]["webhook-signature"]
    assert first["body"] == second["body"]


@pytest.mark.parametrize("secrets", [(), ("s3cret",), ("whsec_c2hvcnQ=",), ("whsec_!!!!",)])
async def test_nothing_is_sent_unsigned(server: HookServer, secrets: tuple[str, ...]) -> None:
    async with guarded_client([server.address]) as client:
        driver = WebhookDriver(client, now_ms)
        with pytest.raises(Backend, match="secret") as caught:
            async with driver.invoke(invocation(server.answer({}), secrets)) as parts:
                await anext(parts)
    assert not caught.value.transient
    assert all(secret not in caught.value.message for secret in secrets)
    assert await server.requests() == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"content": "hi 👋"}, [TextDelta("hi 👋"), FINISH]),
        ('\ufeff{"content": "hi"}', [TextDelta("hi"), FINISH]),
        ({"content": "hi", "silence": False, "escalate": None}, [TextDelta("hi"), FINISH]),
        (
            {"content": "hi", "usage": {"prompt_tokens": 3, "completion_tokens": 1}},
            [TextDelta("hi"), Finish("stop", Usage(3, 1))],
        ),
        ({"content": "hi", "usage": {"prompt_tokens": -3}}, [TextDelta("hi"), FINISH]),
        ({"content": "hi", "usage": "much"}, [TextDelta("hi"), FINISH]),
        ({"silence": True}, [Silence()]),
        ({"escalate": {"message": "too hard"}}, [Escalate("too hard")]),
    ],
)
async def test_json_is_a_reply_silence_or_a_call_for_a_person(
    running: HookServer, body: object, expected: list[Part]
) -> None:
    assert await reply_of(running.answer(body)) == expected


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
async def test_the_content_type_may_have_parameters_and_any_case(
    running: HookServer, kind: str
) -> None:
    assert await reply_of(running.answer({"silence": True}, kind=kind)) == [Silence()]


@pytest.mark.parametrize(("status", "part"), [(202, Wait()), (204, Silence())])
async def test_some_statuses_are_answers(running: HookServer, status: int, part: Part) -> None:
    assert await reply_of(running.answer("ignored", status=status)) == [part]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 1500, "is not JSON"),
        ('{"content": "\\ud800"}', "is not JSON"),
        ("[]", "is not a JSON object"),
        ({}, "must have one of content, silence and escalate"),
        ({"content": "x", "silence": True}, "must have one of"),
        ({"content": ""}, "`content` must not be empty"),
        ({"content": " \n"}, "`content` must not be empty"),
        ({"content": "a\0b"}, "`content` must not contain NUL"),
        ({"content": 7}, "`content` must be a string"),
        ({"silence": "yes"}, "`silence` must be true"),
        ({"escalate": "help"}, "`escalate` must be an object"),
        ({"escalate": {}}, "`message` must be a string"),
        ({"escalate": {"message": ""}}, "`message` must not be empty"),
        ({"error": {"message": "no\x1b credit", "type": "auth"}}, "an error: no credit"),
    ],
)
async def test_wrong_json_is_told_and_not_tried_again(
    running: HookServer, body: object, message: str
) -> None:
    error = await refused(running.answer(body))
    assert message in error.message
    assert not error.transient


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/octet-stream"])
async def test_another_content_type_is_refused(running: HookServer, kind: str) -> None:
    error = await refused(running.answer("hello", kind=kind))
    assert f"answered with {kind}; 200 is for application/json" in error.message
    assert not error.transient


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_these_statuses_may_pass(running: HookServer, status: int) -> None:
    error = await refused(running.answer("later", status=status, headers="Retry-After: 7\r\n"))
    assert (error.transient, error.retry_after) == (True, 7.0)
    assert error.message == f"the webhook answered with HTTP {status}: later"


@pytest.mark.parametrize("status", [201, 205, 206, 300, 400, 401, 403, 404, 405, 413, 422])
async def test_these_statuses_will_not(running: HookServer, status: int) -> None:
    error = await refused(running.answer({"content": "no"}, status=status))
    assert f"HTTP {status}" in error.message
    assert (error.transient, type(error)) == (False, Backend)


async def test_a_webhook_that_is_gone_says_so(running: HookServer) -> None:
    error = await refused(running.answer("", status=410))
    assert isinstance(error, Gone)
    assert not error.transient


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(server: HookServer, status: int) -> None:
    there = server.answer({"silence": True})
    error = await refused(server.url("say", status=status, headers=f"Location: {there}\r\n"))
    assert error.message == f"the webhook redirects, which is not followed (HTTP {status})"
    assert not error.transient
    assert len(await server.requests()) == 1


async def test_an_error_is_shown_in_part_without_what_was_told_in_confidence(
    running: HookServer,
) -> None:
    error = await refused(running.url("echo", status=400))
    assert "[secret]" in error.message
    assert TOKEN not in error.message
    assert error.message.isprintable()
    long = await refused(running.answer("because " * 200, status=400))
    assert len(long.message) < 400


async def test_a_page_of_html_is_not_shown(running: HookServer) -> None:
    error = await refused(running.answer("<html>", status=404, kind="text/html"))
    assert error.message == "the webhook answered with HTTP 404"


def chunk(text: str | None, reason: str | None = None) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}


COUNTED = {"usage": {"prompt_tokens": 11, "completion_tokens": 2}}
BOOK = "".join(f"löscht 日本語 👩‍👩‍👧 🎉 \u2028 {n} " for n in range(12))


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([{"text": "a"}, {"text": "b"}, DONE], [TextDelta("ab"), FINISH]),
        ([{"text": "a"}, COUNTED, DONE], [TextDelta("a"), Finish("stop", Usage(11, 2))]),
        (
            [{"text": "a"}, {"text": ""}, {"text": None}, {"ping": 1}, {}, DONE],
            [TextDelta("a"), FINISH],
        ),
        ([{"text": "a"}, DONE, {"text": "late"}, "junk"], [TextDelta("a"), FINISH]),
        (
            [{"status": "reading\n"}, {"text": "a"}, {"status": "w" * 300}, {"text": "b"}, DONE],
            [Status("reading"), TextDelta("a"), Status("w" * 199 + "…"), TextDelta("b"), FINISH],
        ),
        ([{"status": " "}, {"status": None}, {"text": "a"}, DONE], [TextDelta("a"), FINISH]),
        ([{"silence": False}, {"text": "a"}, DONE], [TextDelta("a"), FINISH]),
        ([{"status": "hm"}, {"silence": True}], [Status("hm"), Silence()]),
        ([{"silence": True}, {"text": "a"}, DONE], [Silence()]),
        ([{"escalate": {"message": "help"}}, DONE], [Escalate("help")]),
        (['{"text": "\\ud83d"}', '{"text": "\\ude00!"}', DONE], [TextDelta("😀!"), FINISH]),
        (
            [chunk(None), chunk("a"), chunk("b"), chunk(None, "length"), COUNTED, DONE],
            [TextDelta("ab"), Finish("length", Usage(11, 2))],
        ),
        ([chunk("a"), DONE], [TextDelta("a"), Finish("stop", Usage(5, 1, estimated=True))]),
        (
            [chunk("a"), chunk(None, "stop"), {"choices": [], **COUNTED}],
            [TextDelta("a"), Finish("stop", Usage(11, 2))],
        ),
    ],
)
async def test_a_stream_is_read_however_it_is_cut(
    running: HookServer, frames: list[object], expected: list[Part]
) -> None:
    for _ in range(5):
        assert (running.seed, await reply_of(running.stream(*frames))) == (running.seed, expected)


async def test_characters_and_lines_may_be_cut_anywhere(running: HookServer) -> None:
    pieces = [BOOK[at : at + 9] for at in range(0, len(BOOK), 9)]
    url = running.stream(*({"text": piece} for piece in pieces), DONE)
    for _ in range(8):
        parts = await reply_of(url)
        assert (running.seed, parts) == (running.seed, [TextDelta(BOOK), FINISH])


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([DONE], "sent no text"),
        ([{"text": " "}, {"text": "\n"}, DONE], "sent no text"),
        ([chunk(" "), DONE], "sent no text"),
        ([{"text": "a\0"}, DONE], "must not contain NUL"),
        (['{"text": "\\ud800x"}', DONE], "without lone surrogates"),
        (['{"text": "\\udc00"}', DONE], "without lone surrogates"),
        (['{"text": "a\\ud800"}', DONE], "without lone surrogates"),
        ([{"text": 7}, DONE], "`text` must be a string"),
        ([{"status": 7}, DONE], "`status` must be a string"),
        ([{"text": "a"}, {"silence": True}], "after it had sent text"),
        ([chunk("a"), {"escalate": {"message": "b"}}], "after it had sent text"),
        (["hello"], "unreadable: hello"),
        (["[1]"], "unreadable: [1]"),
        (["[" * 1500], "unreadable: [[["),
        ([{"error": {"message": "no credit", "type": "auth"}}], "reported an error: no credit"),
    ],
)
async def test_a_wrong_stream_is_told_and_not_tried_again(
    running: HookServer, frames: list[object], message: str
) -> None:
    error = await refused(running.stream(*frames))
    assert message in error.message
    assert not error.transient


async def test_an_event_named_error_is_one(running: HookServer) -> None:
    for data in ("out of memory", '{"message": "out of memory"}'):
        url = running.answer(f"event: error\ndata: {data}\n\n", kind=STREAM)
        error = await refused(url)
        assert error.message == "the webhook reported an error: out of memory"
        assert error.transient


@pytest.mark.parametrize("frames", [[], [{"text": "half of"}], [chunk("half of")]])
async def test_a_stream_without_its_end_mark_is_torn_and_may_be_tried_again(
    running: HookServer, frames: list[object]
) -> None:
    error = await refused(running.stream(*frames))
    assert error.message == "the webhook's stream ended before `data: [DONE]`"
    assert error.transient
    torn = await refused(running.url("no-length", body=events(*frames) + 'data: {"te'))
    assert (torn.message, torn.transient) == (error.message, True)


async def test_the_end_mark_needs_no_blank_line(running: HookServer) -> None:
    for frame in ({"text": "a"}, chunk("a")):
        url = running.url("no-length", body=events(frame) + "data: [DONE]")
        first, last = await reply_of(url)
        assert first == TextDelta("a")
        assert isinstance(last, Finish)


@pytest.mark.parametrize("behaviour", ["early-close", "nothing", "garbage"])
@pytest.mark.parametrize("kind", [STREAM, "application/json"])
async def test_a_broken_connection_may_be_tried_again(
    running: HookServer, behaviour: str, kind: str
) -> None:
    error = await refused(running.url(behaviour, kind=kind))
    assert error.message.startswith("the connection to the webhook failed (")
    assert error.transient


async def test_a_closed_port_may_be_tried_again(client: httpx.AsyncClient) -> None:
    driver = WebhookDriver(client, now_ms)
    with pytest.raises(Backend, match=r"failed \(ConnectError\)") as caught:
        async with driver.invoke(invocation("http://127.0.0.1:1/")) as parts:
            await anext(parts)
    assert caught.value.transient


@pytest.mark.parametrize(
    ("behaviour", "query"),
    [("silent", {}), ("hang", {}), ("hang", {"kind": "application/json", "body": "{"})],
)
async def test_silence_of_the_line_is_bounded(
    server: HookServer, behaviour: str, query: dict[str, str]
) -> None:
    async with asyncio.timeout(10):
        error = await refused(server.url(behaviour, **query), idle_timeout_s=1.0)
    assert isinstance(error, BackendTimeout)
    assert (error.message, error.transient) == ("the webhook fell silent", True)
    async with asyncio.timeout(10):
        await server.stats(disconnects=1)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"kind": "application/json", "body": '"xxxxxxx"', "times": 1000}, "more than 1048576"),
        ({"body": 'data: {"text": "' + "x" * 400 + '"}\n\n'}, "at most 32768 bytes of UTF-8"),
        ({"body": events(chunk("x" * 400))}, "at most 32768 bytes of UTF-8"),
        ({"body": ": still here\n\n", "times": 1000}, "more than 8388608 bytes"),
        ({"body": "data: y", "times": 1000}, "more than 1048576 characters"),
    ],
)
async def test_an_answer_without_end_is_cut_off(
    server: HookServer, query: dict[str, object], message: str
) -> None:
    error = await refused(server.url("endless", **query))
    assert message in error.message
    assert not error.transient
    async with asyncio.timeout(10):
        await server.stats(disconnects=1)


@pytest.mark.parametrize("kind", [STREAM, "application/json"])
async def test_text_may_be_as_long_as_a_message_and_no_longer(
    running: HookServer, kind: str
) -> None:
    whole = await reply_of(running.url("sized", kind=kind, bytes=CONTENT_BYTES))
    assert whole == [TextDelta("é" * (CONTENT_BYTES // 2)), FINISH]
    error = await refused(running.url("sized", kind=kind, bytes=CONTENT_BYTES + 2))
    assert "must be at most 32768 bytes" in error.message


@pytest.mark.parametrize("status", [200, 404])
async def test_a_compressed_answer_is_refused_unread(running: HookServer, status: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = await refused(running.url("bomb", status=status))
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    expected = "Content-Encoding gzip" if status == 200 else "the webhook answered with HTTP 404"
    assert expected in error.message
    assert not error.transient
    assert grown_kb < 50_000


async def test_text_arrives_while_the_webhook_is_still_writing(server: HookServer) -> None:
    async with guarded_client([server.address]) as client:
        driver = WebhookDriver(client, now_ms)
        async with driver.invoke(invocation(server.url("gated"))) as parts:
            assert await anext(parts) == TextDelta("first ")
            await server.stats(waiting=1)
            assert await server.open_gates() == 1
            assert [part async for part in parts] == [TextDelta("then"), FINISH]


@pytest.mark.parametrize("behaviour", ["hang", "drip", "silent"])
async def test_leaving_ends_the_request_at_once(server: HookServer, behaviour: str) -> None:
    async with guarded_client([server.address]) as client:
        driver = WebhookDriver(client, now_ms)

        async def read() -> None:
            async with driver.invoke(invocation(server.url(behaviour))) as parts:
                async for _part in parts:
                    pass

        reading = asyncio.create_task(read())
        await server.stats(requests=1, **({"waiting": 1} if behaviour == "hang" else {}))
        reading.cancel()
        async with asyncio.timeout(10):
            await server.stats(disconnects=1)
        with suppress(asyncio.CancelledError):
            await reading


async def test_leaving_between_two_parts_ends_the_request_too(server: HookServer) -> None:
    async with guarded_client([server.address]) as client:
        driver = WebhookDriver(client, now_ms)
        async with driver.invoke(invocation(server.url("hang"))) as parts:
            assert await anext(parts) == TextDelta("one moment")
        async with asyncio.timeout(10):
            await server.stats(disconnects=1)


async def test_a_wait_holds_no_connection(server: HookServer) -> None:
    async with guarded_client([server.address]) as client:
        driver = WebhookDriver(client, now_ms)
        async with driver.invoke(invocation(server.url("hang", status=202))) as parts:
            assert await anext(parts) == Wait()
            async with asyncio.timeout(10):
                await server.stats(disconnects=1)


async def test_many_at_a_time_do_not_mix(running: HookServer) -> None:
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(reply_of(running.stream({"text": f"n{n}"}, DONE))) for n in range(12)
        ]
    assert [task.result()[0] for task in asked] == [TextDelta(f"n{n}") for n in range(12)]


async def test_abandoning_tells_the_webhook_once_and_signed(server: HookServer) -> None:
    asked = invocation(server.answer("whatever", status=500))
    async with guarded_client([server.address]) as client:
        await WebhookDriver(client, now_ms).abandon(asked)
    (request,) = await server.requests()
    Webhook(SECRETS[0]).verify(request["body"].encode("latin-1"), request["headers"])
    assert request["headers"]["webhook-id"] == "run_01_cancelled"
    assert json.loads(request["body"]) == {
        "type": "run.cancelled",
        "id": "run_01",
        "timestamp": "2023-11-14T22:13:20.500Z",
        "data": {"run": asked.run.as_dict()},
    }


async def test_abandoning_raises_nothing_but_backend(client: httpx.AsyncClient) -> None:
    driver = WebhookDriver(client, now_ms)
    for url in ("http://127.0.0.1:1/", "https://127.0.0.1/", "https://[", "ftp://x"):
        with pytest.raises(Backend):
            await driver.abandon(invocation(url))
