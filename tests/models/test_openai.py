"""hub/models/openai.py against a model server in a process of its own, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import httpx
import pytest

from hub.core.chat import ChatMessage, ChatRequest, Finish, Sampling, TextDelta, Usage
from hub.core.errors import Backend, BackendTimeout
from hub.models.base import open_stream
from hub.models.openai import OpenAiBackend, Upstream, open_client

from .asking import ask, reply_of
from .server import ModelServer

KEY = "sk-very-secret-0123456789"
PATIENCE_S = 10.0

Connect = Callable[..., OpenAiBackend]


@pytest.fixture
def connect(server: ModelServer, client: httpx.AsyncClient) -> Connect:
    """`connect(behaviour, **bounds)`: a backend for one behaviour of the server."""

    def backend(model: str, **bounds: object) -> OpenAiBackend:
        upstream = Upstream(server.base_url, model, KEY, idle_timeout_s=5, deadline_s=20)
        return OpenAiBackend(replace(upstream, **bounds), client)  # type: ignore[arg-type]

    return backend


async def test_the_text_is_what_was_sent_however_it_was_cut(
    server: ModelServer, connect: Connect
) -> None:
    for _ in range(10):
        reply = await reply_of(connect("random"))
        sent = (await server.sent())["text"]
        assert (server.seed, reply.text) == (server.seed, sent)
        assert reply.finish == Finish("stop", Usage(11, len(sent)))


async def test_many_streams_at_a_time_do_not_mix(server: ModelServer, connect: Connect) -> None:
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(reply_of(connect("random"))) for _ in range(12)]
    texts = (await server.sent())["texts"]
    assert sorted(task.result().text for task in asked) == sorted(texts)


async def test_the_request_is_what_servers_expect(server: ModelServer, connect: Connect) -> None:
    turns = (ChatMessage("system", "be kind"), ChatMessage("user", "héllo 👋"))
    sampling = Sampling(max_tokens=7, temperature=0.0, stop=("END",))
    await reply_of(connect("plain"), ChatRequest("acme/slug", turns, sampling))
    await reply_of(connect("plain"))
    first, second = (await server.sent())["requests"]
    assert first["path"] == "/v1/chat/completions"
    assert first["headers"]["authorization"] == f"Bearer {KEY}"
    assert first["headers"]["accept-encoding"] == "identity"
    assert first["body"] == {
        "model": "plain",
        "messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "héllo 👋"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 7,
        "temperature": 0.0,
        "stop": ["END"],
    }
    assert {"max_tokens", "temperature", "top_p", "stop"}.isdisjoint(second["body"])


async def test_a_template_that_wants_turns_gets_what_people_say_in_a_row_as_one(
    server: ModelServer, connect: Connect
) -> None:
    whole = {"role": "user", "content": [{"type": "image_url"}]}
    turns = (
        ChatMessage("system", "be kind"), ChatMessage("user", "a"), ChatMessage("user", "b"),
        ChatMessage("assistant", "c"), ChatMessage("user", "", whole), ChatMessage("user", "d"),
    )  # fmt: skip
    request = ChatRequest("m", turns)
    await reply_of(connect("plain", alternating=True), request)
    await reply_of(connect("plain"), request)
    joined, plain = ([m["content"] for m in r["body"]["messages"]]
                     for r in (await server.sent())["requests"])  # fmt: skip
    assert ["be kind", "a\n\nb", "c", whole["content"], "d"] == joined
    assert ["be kind", "a", "b", "c", whole["content"], "d"] == plain


async def test_text_arrives_while_the_server_is_still_writing(
    server: ModelServer, connect: Connect
) -> None:
    async with open_stream(connect("gated"), ask("hi")) as parts:
        first = await anext(parts)
        await server.stats(waiting=1)
        assert await server.open_gates() == 1
        rest = [part async for part in parts]
    assert isinstance(first, TextDelta)
    texts = [first.text, *(part.text for part in rest if isinstance(part, TextDelta))]
    assert "".join(texts) == (await server.sent())["text"]


async def test_an_answer_that_was_not_streamed_is_understood(
    server: ModelServer, connect: Connect
) -> None:
    reply = await reply_of(connect("json"))
    sent = (await server.sent())["text"]
    assert reply.deltas == (sent,)
    assert reply.finish == Finish("length", Usage(11, len(sent)))


@pytest.mark.parametrize("model", ["no-end", "no-blank-line"])
async def test_a_reply_with_a_reason_is_complete_without_a_proper_end(
    connect: Connect, model: str
) -> None:
    async with asyncio.timeout(PATIENCE_S):
        reply = await reply_of(connect(model))
    assert reply.text == "all of it"
    assert reply.finish.usage is not None
    assert reply.finish.usage.estimated


@pytest.mark.parametrize(
    ("model", "bounds", "message"),
    [
        ("silent", {"connect_timeout_s": 1.0, "idle_timeout_s": 0.2}, "fell silent"),
        ("hang", {"idle_timeout_s": 0.2}, "fell silent"),
        ("drip", {"deadline_s": 0.4}, "did not finish in time"),
        ("hang", {"deadline_s": 0.3}, "did not finish in time"),
    ],
)
async def test_waiting_is_bounded_and_ends_the_request(
    server: ModelServer, connect: Connect, model: str, bounds: dict[str, float], message: str
) -> None:
    with pytest.raises(BackendTimeout, match=message) as caught:
        async with asyncio.timeout(PATIENCE_S):
            await reply_of(connect(model, **bounds))
    assert caught.value.transient
    async with asyncio.timeout(PATIENCE_S):
        await server.stats(disconnects=1)


async def test_a_slow_consumer_meets_the_deadline_in_the_stream_not_in_its_own_code(
    connect: Connect,
) -> None:
    async with open_stream(connect("drip", deadline_s=1.0), ask("hi")) as parts:
        await anext(parts)
        await asyncio.sleep(1.1)
        with pytest.raises(BackendTimeout):
            async for _part in parts:
                pass


@pytest.mark.parametrize(
    ("model", "message", "transient"),
    [
        ("huge", "more than 200000 bytes", False),
        ("endless-line", "more than 200000 bytes", False),
        ("gzip", "Content-Encoding gzip", False),
        ("html", "text/html", False),
        ("early-close", "connection to the model server failed", True),
        ("truncated", "before it was complete", True),
        ("error-frame", "out of memory", True),
        ("error-event", "bad prompt", False),
        ("status-302", "redirects", False),
        ("status-400", "answered with an error", False),
        ("status-401", "refused the hub's key", False),
        ("status-404", "does not know", False),
        ("status-429", "asks to slow down", True),
        ("status-500", "HTTP 500", True),
        ("status-503", "HTTP 503", True),
    ],
)
async def test_bad_answers_are_short_clear_failures(
    connect: Connect, model: str, message: str, transient: bool
) -> None:
    with pytest.raises(Backend, match=message) as caught:
        await reply_of(connect(model, max_bytes=200_000))
    assert not isinstance(caught.value, BackendTimeout)
    assert transient == caught.value.transient
    assert len(caught.value.message) < 400
    assert KEY not in str(caught.value)
    assert (7.0 if model in ("status-429", "status-503") else None) == caught.value.retry_after


async def test_cancelling_closes_the_upstream_socket(server: ModelServer, connect: Connect) -> None:
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(reply_of(connect("hang")))
        await server.stats(requests=1)
        asking.cancel()
    async with asyncio.timeout(PATIENCE_S):
        await server.stats(disconnects=1)
    assert asking.cancelled()


@pytest.mark.parametrize("model", ["gated", "drip", "huge"])
async def test_leaving_the_stream_closes_the_upstream_socket(
    server: ModelServer, connect: Connect, model: str
) -> None:
    async with open_stream(connect(model), ask("hi")) as parts:
        await anext(parts)
    async with asyncio.timeout(PATIENCE_S):
        await server.stats(disconnects=1)


class Endless(httpx.AsyncByteStream):
    """A body that never ends; sets `asked` when it is read, `closed` when it is given back."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n'
        self.asked.set()
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed = True


async def test_the_answer_is_closed_by_the_time_the_stream_is() -> None:
    body = Endless()
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, stream=body))
    async with open_client(transport) as client:
        backend = OpenAiBackend(Upstream("http://h.example/v1", "m"), client)
        async with open_stream(backend, ask("hi")) as parts:
            await anext(parts)
            assert not body.closed
        assert body.closed


async def test_the_answer_is_closed_by_the_time_its_consumer_is_cancelled() -> None:
    body = Endless()
    transport = httpx.MockTransport(lambda _request: httpx.Response(200, stream=body))
    async with open_client(transport) as client:
        backend = OpenAiBackend(Upstream("http://h.example/v1", "m"), client)
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(reply_of(backend))
            await body.asked.wait()
            asking.cancel()
        assert body.closed


async def test_closed_streams_give_their_connections_back(server: ModelServer) -> None:
    async with open_client(max_connections=1) as client:
        backend = OpenAiBackend(Upstream(server.base_url, "drip"), client)
        for _ in range(5):
            async with asyncio.timeout(PATIENCE_S), open_stream(backend, ask("hi")) as parts:
                await anext(parts)


async def test_a_server_that_is_not_there_is_a_transient_failure(
    client: httpx.AsyncClient, unused_tcp_port: int
) -> None:
    backend = OpenAiBackend(Upstream(f"http://127.0.0.1:{unused_tcp_port}/v1", "m"), client)
    with pytest.raises(Backend, match="ConnectError") as caught:
        await reply_of(backend)
    assert caught.value.transient


@pytest.mark.parametrize("key", ["ключ", "two\nlines"])
async def test_a_key_unfit_for_a_header_is_refused_without_being_shown(
    server: ModelServer, client: httpx.AsyncClient, key: str
) -> None:
    with pytest.raises(Backend, match="cannot be sent in a header") as caught:
        await reply_of(OpenAiBackend(Upstream(server.base_url, "plain", key), client))
    assert key not in str(caught.value)


async def test_a_key_is_sent_without_the_space_around_it(
    server: ModelServer, client: httpx.AsyncClient
) -> None:
    await reply_of(OpenAiBackend(Upstream(f"{server.base_url}/", "plain", f" {KEY}\n"), client))
    request = (await server.sent())["requests"][0]
    assert request["path"] == "/v1/chat/completions"
    assert request["headers"]["authorization"] == f"Bearer {KEY}"


async def test_the_query_of_a_base_url_is_kept() -> None:
    seen: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(404, stream=httpx.ByteStream(b""))

    async with open_client(httpx.MockTransport(answer)) as client:
        backend = OpenAiBackend(Upstream("https://models.example/x?api-version=3", "m"), client)
        with pytest.raises(Backend):
            await reply_of(backend)
    assert seen == [httpx.URL("https://models.example/x/chat/completions?api-version=3")]


async def test_the_key_is_not_shown_by_repr() -> None:
    assert KEY not in repr(Upstream("http://h/v1", "m", KEY))


async def test_no_cookie_of_a_server_is_kept() -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(500, headers={"set-cookie": "a=b"}, stream=httpx.ByteStream(b""))

    async with open_client(httpx.MockTransport(answer)) as client:
        with pytest.raises(Backend):
            await reply_of(OpenAiBackend(Upstream("http://h.example/v1", "m"), client))
        assert list(client.cookies.jar) == []
