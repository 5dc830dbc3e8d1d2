"""One conversation with an agent: what is said to it, and what its answers mean for the run.

The agent's task is the truth and its stream a convenience: when a stream breaks off, or a worker
died and this is a later attempt, the same task is followed, never a second one begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from hub.core.chat import Finish, TextDelta
from hub.core.errors import Backend
from hub.core.invoking import Ask, Invocation, Part, Remember, Status
from hub.core.values import Json
from workers.drivers.a2a_agent import Agent, Agents, RpcError
from workers.drivers.a2a_http import Bounds, Refused
from workers.drivers.a2a_message import context_id_of, message_of, texts_of
from workers.drivers.a2a_wire import ENDED, News, Said, TaskNews, send_params
from workers.drivers.reply_text import ReplyText, clean, cut_to, line_of

INVALID_PARAMS = -32602
QUESTION_BYTES = 8_192
_SAID = "said"  # the block of what comes in messages; those of artifacts have a longer key
_OUTCOMES = {
    "failed": "failed",
    "rejected": "rejected the request",
    "canceled": "canceled its task",
}


class Talk:
    """One invocation: what was said to the agent and what it has answered so far.

    `settled` when nothing is left to be ended at the agent: there is no task, it has ended, it
    waits for a person, or the next attempt is to find it.
    """

    def __init__(self, agents: Agents, bounds: Bounds, invocation: Invocation) -> None:
        memory = invocation.run.memory
        self._agents = agents
        self._bounds = bounds
        self._invocation = invocation
        self._reply = ReplyText()
        self._status = ""
        self._remembered: Json = memory
        self._begun_anew = False
        self._asked = str(memory.get("asked") or "") if self._invocation.answer else ""
        self.agent: Agent | None = None
        self.task_id = str(memory.get("task_id") or "")
        self._context_id = str(memory.get("context_id") or context_id_of(invocation))
        self.settled = not self.task_id

    async def parts(self) -> AsyncGenerator[Part, None]:
        try:
            self.agent = await self._agents.find(url_of(self._invocation))
            async with aclosing(self._news(self.agent)) as all_news:
                async for news in all_news:
                    for part in self._parts_of(news):
                        yield part
                        if isinstance(part, Finish | Ask):
                            return
        except Backend as error:
            if isinstance(error, Refused | RpcError):
                self._agents.forget(url_of(self._invocation))
            self.settled = self.settled or error.transient
            raise

    # What is asked.

    async def _news(self, agent: Agent) -> AsyncGenerator[News, None]:
        """Everything the agent tells, until whoever reads has heard the end."""
        if self.task_id and not self._has_new_answer():
            async with aclosing(self._follow(agent)) as following:
                async for news in following:
                    if self._was_cut_short(news):
                        break
                    yield news
            self._begin_anew()
        heard = False
        try:
            async with aclosing(self._send(agent)) as sent:
                async for news in sent:
                    heard = True
                    yield news
        except Backend as error:
            if not (heard and self.task_id and error.transient):
                raise
        if not (heard and self.task_id):
            raise Backend("the agent broke off before its answer was complete", transient=True)
        async with aclosing(self._follow(agent)) as following:
            async for news in following:
                yield news

    def _has_new_answer(self) -> bool:
        answer = self._invocation.answer
        return answer is not None and self._remembered.get("answered") != answer.id

    def _was_cut_short(self, news: News) -> bool:
        """Whether the task was cancelled when the attempt before this was ended by the hub itself,
        as when a worker is stopped: then the run still wants its answer."""
        return isinstance(news, TaskNews) and news.state == "canceled"

    def _begin_anew(self) -> None:
        self.task_id, self._begun_anew = "", True
        self.settled = True

    async def _send(self, agent: Agent) -> AsyncGenerator[News, None]:
        """Say the message. A context made by the client must be refused by an agent that cannot
        take one (1.0, section 3.4.1): then it makes its own."""
        try:
            async with aclosing(self._say(agent, self._context_id)) as said:
                async for news in said:
                    yield news
        except (RpcError, Refused) as error:
            if self.task_id or not _refuses_params(error):
                raise
            async with aclosing(self._say(agent, "")) as said:
                async for news in said:
                    yield news

    async def _say(self, agent: Agent, context_id: str) -> AsyncGenerator[News, None]:
        stream = agent.interface.streaming
        message = message_of(self._invocation, self.task_id, context_id, anew=self._begun_anew)
        text = texts_of(self._invocation, self.task_id)
        params = send_params(agent.interface, message, text=text, stream=stream)
        if not stream:
            yield await agent.ask("send", params, within_s=self._invocation.deadline_s)
            return
        async with aclosing(agent.stream("stream", params)) as events:
            async for news in events:
                yield news

    async def _follow(self, agent: Agent) -> AsyncGenerator[News, None]:
        """What becomes of a task that is under way."""
        if agent.interface.streaming and not agent.interface.old:
            # In 1.0 the first event is the whole task. In 0.3 nothing tells what was missed.
            try:
                async with aclosing(agent.stream("subscribe", {"id": self.task_id})) as events:
                    first = await anext(events, None)
                    if isinstance(first, TaskNews) and first.whole:
                        yield first
                        async for news in events:
                            yield news
            except Backend:
                pass  # what cannot be streamed, such as a task that has ended, can be asked for
        async with aclosing(self._poll(agent)) as polled:
            async for news in polled:
                yield news

    async def _poll(self, agent: Agent) -> AsyncGenerator[News, None]:
        params: Json = {"id": self.task_id, "historyLength": 0}
        pause_s, failures = self._bounds.poll_s, 0
        while True:
            wait_s = pause_s
            try:
                news = await agent.ask("get", params, within_s=self._bounds.answer_s)
            except Backend as error:
                failures += 1
                if not error.transient or failures > self._bounds.poll_patience:
                    raise
                wait_s = max(wait_s, error.retry_after or 0)
            else:
                failures = 0
                yield news
            await asyncio.sleep(wait_s)
            pause_s = min(pause_s * 1.5, self._bounds.poll_most_s)

    # What is answered.

    def _parts_of(self, news: News) -> list[Part]:
        """The parts some news is; the ending last, when it is one. Raises Backend for a bad end."""
        if isinstance(news, Said):
            if not self.task_id:
                return self._finish(news.text)
            return self._text(self._reply.put(_SAID, news.text, append=True))
        parts = self._remember(news)
        for artifact in news.artifacts:
            parts += self._text(
                self._reply.put(
                    f"artifact {artifact.id}",
                    artifact.text,
                    append=artifact.append,
                    complete=artifact.last,
                )
            )
        return parts + ([] if news.state is None else self._turn(news.state, news))

    def _remember(self, news: TaskNews) -> list[Part]:
        self.task_id, self.settled = news.task_id, False
        self._context_id = news.context_id or self._context_id
        memory: Json = {"task_id": self.task_id, "context_id": self._context_id}
        if self._invocation.answer is not None:
            memory |= {"answered": self._invocation.answer.id, "asked": self._asked}
        if memory == self._remembered:
            return []
        self._remembered = memory
        return [Remember(memory)]

    def _turn(self, state: str, news: TaskNews) -> list[Part]:
        """What a state of the task means for the run."""
        self.settled = state in ENDED
        if state == "completed":
            return self._finish("" if self._reply.has(news.said) else news.said)
        if state == "input-required":
            return self._ask(news)
        brief = line_of(clean(news.said), 1000)
        if state == "auth-required":
            raise Backend(_sentence("the agent wants a sign-in, which the hub cannot give", brief))
        if state in ENDED:
            raise Backend(_sentence(f"the agent {_OUTCOMES[state]}", brief))
        return self._show_status(state if state == "submitted" else "working", brief)

    def _ask(self, news: TaskNews) -> list[Part]:
        if news.said_id and news.said_id == self._asked:
            return []  # as it was before it took the answer
        self.settled = True
        question = cut_to(clean(news.said), QUESTION_BYTES).strip()
        memory = {**self._remembered, "asked": news.said_id}
        ask = Ask(question or "The agent needs more input.", memory)
        return [*self._text(self._reply.end()), ask]

    def _show_status(self, state: str, brief: str) -> list[Part]:
        status = line_of(f"{state}: {brief}" if brief else state)
        if status == self._status:
            return []
        self._status = status
        return [Status(status)]

    def _finish(self, text: str) -> list[Part]:
        self.settled = True
        shown = self._reply.put(_SAID, text, append=True, complete=True) if text else ""
        shown += self._reply.end()
        return [*self._text(shown), Finish("length" if self._reply.cut else "stop")]

    def _text(self, shown: str) -> list[Part]:
        return [TextDelta(shown)] if shown else []


def _refuses_params(error: RpcError | Refused) -> bool:
    if isinstance(error, RpcError):
        return error.number == INVALID_PARAMS
    return error.http_status == 400


def _sentence(what: str, said: str) -> str:
    return f"{what}: {said}" if said else what


def url_of(invocation: Invocation) -> str:
    url = invocation.driver.get("url")
    if not isinstance(url, str) or not url:
        raise Backend("the participant's driver has no url")
    return url
