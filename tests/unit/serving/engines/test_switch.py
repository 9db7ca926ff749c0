from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import cast

from serving.engines.protocol import Engine
from serving.engines.switch import EngineSwitch


class ChangingEngine:
    """Yields a change whenever it is told to."""

    def __init__(self) -> None:
        self.pending = asyncio.Queue[None]()
        self.followed = asyncio.Event()

    async def changes(self) -> AsyncGenerator[None, None]:
        self.followed.set()
        while True:
            await self.pending.get()
            yield


async def test_changes_of_the_engine_that_was_switched_to_are_followed() -> None:
    old, new = ChangingEngine(), ChangingEngine()
    switch = EngineSwitch(cast(Engine, old))
    async with asyncio.timeout(10), contextlib.aclosing(switch.changes()) as changes:
        old.pending.put_nowait(None)
        await anext(changes)
        switched = asyncio.ensure_future(anext(changes))
        await old.followed.wait()
        switch.switch_to(cast(Engine, new))
        await switched
        change = asyncio.ensure_future(anext(changes))
        await new.followed.wait()
        old.pending.put_nowait(None)
        assert not change.done()
        new.pending.put_nowait(None)
        await change
