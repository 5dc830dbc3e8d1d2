"""`Gateway.pace`: thousands who were woken by one event do not go on in one turn of the loop."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hub.gateway.gateway import Gateway
from hub.parts import Parts

AT_ONCE = 64


async def test_of_many_who_were_woken_together_so_many_go_on_at_once(parts: Parts) -> None:
    gateway, gone_on = Gateway(parts), list[int]()

    async def woken(number: int) -> None:
        await gateway.pace()
        gone_on.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(10 * AT_ONCE):
            group.create_task(woken(number))
        seen = [0]
        while len(gone_on) < 10 * AT_ONCE:
            await asyncio.sleep(0)
            seen.append(len(gone_on))
    assert max(after - before for before, after in pairwise(seen)) == AT_ONCE
    assert sorted(gone_on) == list(range(10 * AT_ONCE))
