"""workers/drivers/callables.py and call_thread.py: functions in threads of their own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import structlog

from hub.core.chat import ChatRequest, Finish, TextDelta
from hub.core.errors import Backend
from hub.core.invoking import Ask, Escalate, Invocation, Part, Silence, Status
from hub.core.text import CONTENT_BYTES
from hub.core.values import Author, Message, Run
from workers.drivers.call_thread import WAITING
from workers.drivers.callables import CallableDriver

ALICE = Author("user_alice", "user", "alice", "Alice")
ECHO = Author("agent_echo", "agent", "echo", "Echo")
PATIENCE_S = 20.0


class Stage:
    """What the functions below and their tests tell each other, from thread to thread."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.cancelled = threading.Event()
        self.given = 0
        self.threads: set[int] = set()


stage = Stage()


@pytest.fixture(autouse=True)
def fresh_stage() -> Iterator[None]:
    stage.__init__()  # type: ignore[misc]
    yield
    stage.gate.set()


def plain(invocation: Invocation) -> str:
    stage.threads.add(threading.get_ident())
    return f"you said: {invocation.message.content}"


async def awaited(invocation: Invocation) -> str:
    await asyncio.sleep(0)
    stage.threads.add(threading.get_ident())
    return f"you said: {invocation.message.content}"


def pieces(_: Invocation) -> Iterator[str | Part]:
    yield "one "
    yield Status("counting")
    yield ""
    yield TextDelta("two")


async def async_pieces(invocation: Invocation) -> AsyncIterator[str | Part]:
    for piece in pieces(invocation):
        await asyncio.sleep(0)
        yield piece


async def returns_pieces(invocation: Invocation) -> Iterator[str | Part]:
    return pieces(invocation)


def uses_a_loop_of_its_own(invocation: Invocation) -> str:
    return asyncio.run(awaited(invocation))


def none(_: Invocation) -> None:
    return None


def silence(_: Invocation) -> Part:
    return Silence()


def ask(_: Invocation) -> Iterator[Part | str]:
    yield Ask("Which?", {"n": 1})
    raise AssertionError("nothing is asked for after an ending")


async def escalate(_: Invocation) -> AsyncIterator[Part]:
    yield Escalate("too hard")


def blocks(_: Invocation) -> str:
    stage.begun.set()
    stage.gate.wait(PATIENCE_S)
    return "released"


def blocks_for_ever(_: Invocation) -> str:
    stage.begun.set()
    threading.Event().wait()
    return ""


async def waits(_: Invocation) -> str:
    stage.begun.set()
    try:
        await asyncio.sleep(PATIENCE_S)
    except asyncio.CancelledError:
        stage.cancelled.set()
        raise
    return "late"


def endless(_: Invocation) -> Iterator[str]:
    while True:
        stage.given += 1
        yield "x" * 1000


async def async_endless(invocation: Invocation) -> AsyncIterator[str]:
    try:
        for piece in endless(invocation):
            yield piece
    finally:
        stage.cancelled.set()


def fails(_: Invocation) -> Iterator[str]:
    yield "half"
    raise KeyError("a secret of the operator")


async def async_fails(_: Invocation) -> str:
    raise KeyError("a secret of the operator")


def leaves(_: Invocation) -> str:
    raise SystemExit(3)


async def cancels_itself(_: Invocation) -> str:
    raise asyncio.CancelledError


def refuses(_: Invocation) -> str:
    raise Backend("out of cheese", transient=True)


def number(_: Invocation) -> int:
    return 42


def unsafe(_: Invocation) -> str:
    return "a\0b\ud800c"


NOT_A_FUNCTION = 7
EVERY = ("plain", "awaited", "pieces", "async_pieces", "returns_pieces", "uses_a_loop_of_its_own",
         "none", "silence", "ask", "escalate", "blocks", "blocks_for_ever", "waits", "endless",
         "async_endless", "fails", "async_fails", "leaves", "cancels_itself", "refuses", "number",
         "unsafe")  # fmt: skip


def driver_of(threads: int = 2) -> CallableDriver:
    return CallableDriver({name: f"{__name__}:{name}" for name in EVERY}, threads=threads)


def invocation(name: str) -> Invocation:
    run = Run("run_1", "default", "room_1", ECHO.id, "msg_1", 0, "msg_1", "running", None, 1, 1,
              "msg_1", "msg_2", 0)  # fmt: skip
    message = Message("msg_1", "room_1", 1, None, ALICE, "hi", (), 0)
    driver = {"kind": "callable", "name": name}
    return Invocation(run, ECHO, driver, {"id": "room_1"}, message, (message,),
                      ChatRequest("", ()), 30.0)  # fmt: skip


async def play(driver: CallableDriver, name: str) -> list[Part]:
    async with asyncio.timeout(PATIENCE_S):
        async with driver.invoke(invocation(name)) as parts:
            return [part async for part in parts]


async def set_in_thread(event: threading.Event) -> None:
    """Waits for a thread, on a loop that must not be blocked to do so."""
    async with asyncio.timeout(PATIENCE_S):
        assert await asyncio.to_thread(event.wait, PATIENCE_S)


@pytest.mark.parametrize("name", ["plain", "awaited", "uses_a_loop_of_its_own"])
async def test_a_text_is_the_reply_and_is_made_in_another_thread(name: str) -> None:
    assert await play(driver_of(), name) == [TextDelta("you said: hi"), Finish("stop")]
    assert len(stage.threads) == 1
    assert threading.get_ident() not in stage.threads


@pytest.mark.parametrize("name", ["pieces", "async_pieces", "returns_pieces"])
async def test_pieces_come_as_they_are_made(name: str) -> None:
    parts = await play(driver_of(), name)
    assert parts == [TextDelta("one "), Status("counting"), TextDelta("two"), Finish("stop")]


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("none", Finish("stop")),
        ("silence", Silence()),
        ("ask", Ask("Which?", {"n": 1})),
        ("escalate", Escalate("too hard")),
    ],
)
async def test_a_callable_may_end_in_any_way(name: str, ending: Part) -> None:
    assert await play(driver_of(), name) == [ending]


async def test_the_loop_goes_on_while_a_callable_blocks() -> None:
    playing = asyncio.ensure_future(play(driver_of(), "blocks"))
    await set_in_thread(stage.begun)
    assert not playing.done()
    stage.gate.set()
    assert await playing == [TextDelta("released"), Finish("stop")]


@pytest.mark.parametrize("name", ["fails", "async_fails"])
async def test_an_exception_is_told_by_its_type_and_logged_whole(name: str) -> None:
    with structlog.testing.capture_logs() as logs:
        with pytest.raises(Backend) as caught:
            await play(driver_of(), name)
    assert caught.value.message == f"the callable {name} failed: KeyError"
    assert caught.value.transient is False
    [line] = logs
    assert (line["event"], line["callable"], line["exc_info"]) == ("a callable failed", name, True)


@pytest.mark.parametrize(
    ("name", "kind"), [("leaves", "SystemExit"), ("cancels_itself", "CancelledError")]
)
async def test_a_callable_cannot_end_more_than_itself(name: str, kind: str) -> None:
    driver = driver_of()
    with pytest.raises(Backend, match=f"the callable {name} failed: {kind}"):
        await play(driver, name)
    assert await play(driver, "plain") == [TextDelta("you said: hi"), Finish("stop")]


async def test_a_callable_may_say_itself_why_it_fails() -> None:
    with pytest.raises(Backend, match=r"^out of cheese$") as caught:
        await play(driver_of(), "refuses")
    assert caught.value.transient


async def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(Backend, match="the callable number gave int, which is neither text nor"):
        await play(driver_of(), "number")


async def test_text_is_made_safe() -> None:
    assert await play(driver_of(), "unsafe") == [TextDelta("ab\ufffdc"), Finish("stop")]


@pytest.mark.parametrize("name", ["endless", "async_endless"])
async def test_a_reply_is_cut_at_the_limit_of_a_message(name: str) -> None:
    parts = await play(driver_of(), name)
    text = "".join(part.text for part in parts if isinstance(part, TextDelta))
    assert (len(text), parts[-1]) == (CONTENT_BYTES, Finish("length"))


async def test_an_async_callable_is_cancelled_with_its_run() -> None:
    playing = asyncio.ensure_future(play(driver_of(), "waits"))
    await set_in_thread(stage.begun)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert stage.cancelled.is_set()


@pytest.mark.parametrize("name", ["endless", "async_endless"])
async def test_a_callable_is_never_far_ahead_and_stops_when_nobody_reads(name: str) -> None:
    driver = driver_of(threads=1)
    async with driver.invoke(invocation(name)) as parts:
        await anext(parts)
        before = -1
        while before != stage.given:  # until it waits for room
            before = stage.given
            await asyncio.sleep(0.1)
        assert before <= WAITING + 3
    await play(driver, name)  # the one thread is free again


async def test_a_blocking_callable_is_left_behind_and_holds_only_its_own_thread() -> None:
    driver = driver_of(threads=1)
    playing = asyncio.ensure_future(play(driver, "blocks"))
    await set_in_thread(stage.begun)
    with structlog.testing.capture_logs() as logs:
        playing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing
    assert [line["event"] for line in logs] == ["a callable still runs after its run has ended"]
    assert await play(driver, "plain") == [TextDelta("you said: hi"), Finish("stop")]
    stage.begun.clear()
    waiting = asyncio.ensure_future(play(driver, "blocks"))
    await asyncio.wait([waiting], timeout=0.2)
    assert not stage.begun.is_set()
    stage.gate.set()
    assert await waiting == [TextDelta("released"), Finish("stop")]


async def test_abandoning_does_nothing() -> None:
    await driver_of().abandon(invocation("plain"))


async def test_a_name_that_the_settings_do_not_have_is_refused() -> None:
    for name in ("missing", f"{__name__}:plain", "os:getcwd"):
        with pytest.raises(Backend, match=r"there is no callable .* in the hub's settings"):
            await play(driver_of(), name)
    bad = replace(invocation("plain"), driver={"kind": "callable"})
    with pytest.raises(Backend, match="there is no callable"):
        async with driver_of().invoke(bad):
            pass


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("no_colon", "must be \"module:function\", was 'no_colon'"),
        (":function", 'must be "module:function"'),
        ("module:", 'must be "module:function"'),
        ("no.such.module:f", "no.such.module cannot be imported: ModuleNotFoundError"),
        (f"{__name__}:missing", "has no missing"),
        (f"{__name__}:plain.missing", "has no plain.missing"),
        (f"{__name__}:NOT_A_FUNCTION", "is not a function"),
    ],
)
def test_a_wrong_entry_is_named_at_the_start(entry: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^callables\.weather: ") as caught:
        CallableDriver({"weather": entry})
    assert sentence in str(caught.value)


STOPPING = f"""
import asyncio
from {__name__} import driver_of, invocation, set_in_thread, stage

async def main():
    async with driver_of().invoke(invocation("blocks_for_ever")):
        await set_in_thread(stage.begun)

asyncio.run(main())
print("stopped")
"""


def test_a_callable_that_blocks_for_ever_does_not_keep_the_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPING], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "stopped")
