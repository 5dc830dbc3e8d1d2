"""The runs that a bot has taken on one connection: kept while it is open, answered through it."""

from __future__ import annotations

from hub.core.errors import HubError
from hub.core.values import Actor, Json, Run
from hub.gateway.commands import RunAccept, RunCommand, RunDelta, RunFail, RunReply
from hub.service.answers import Answers


class Desk:
    """What one connection works on, by run id."""

    __slots__ = ("_answers", "_connection_id", "_taken")

    def __init__(self, answers: Answers, connection_id: str) -> None:
        self._answers = answers
        self._connection_id = connection_id
        self._taken: dict[str, Run] = {}

    async def do(self, actor: Actor, command: RunCommand) -> Json:
        """A command about an offered run; whoever answers at once has accepted it thereby."""
        run = self._taken.get(command.run_id)
        if run is None:
            run = await self._answers.accept(actor, command.run_id, self._connection_id)
            self._taken[run.id] = run
        if isinstance(command, RunAccept):
            return {}
        if isinstance(command, RunDelta):
            await self._answers.delta(run, command.offset, command.text)
            return {}
        try:
            await self._end(run, command)
        except HubError as error:
            if error.status == 409:
                self._taken.pop(run.id, None)
            raise
        self._taken.pop(run.id, None)
        return {}

    async def _end(self, run: Run, command: RunCommand) -> None:
        if isinstance(command, RunReply):
            await self._answers.reply(run, command.content)
        elif isinstance(command, RunFail):
            await self._answers.fail(run, command.message)
        else:
            await self._answers.silence(run)

    @property
    def empty(self) -> bool:
        return not self._taken

    @property
    def taken(self) -> list[Run]:
        """What is being worked."""
        return list(self._taken.values())

    def holds(self, run: Run) -> bool:
        """Whether it was neither answered nor given back since it was taken."""
        return self._taken.get(run.id) is run

    def drop(self, run: Run) -> bool:
        """It is no longer this connection's; False when it was not before."""
        held = self.holds(run)
        if held:
            del self._taken[run.id]
        return held

    async def close(self) -> None:
        """The connection is gone: what it had taken is free."""
        while self._taken:
            await self._answers.release(self._taken.popitem()[1])
