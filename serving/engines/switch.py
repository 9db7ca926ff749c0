"""The engine of a fleet, which may be switched while the fleet runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from serving.background import cancel_and_wait
from serving.engines.protocol import Engine, Instance
from serving.errors import EngineError


class EngineSwitch:
    """The engine that instances are started on, and those that still run some.

    Every instance is looked after by the engine that runs it, so that a fleet
    moves from one to the other one instance at a time.
    """

    def __init__(self, engine: Engine) -> None:
        self.current = engine
        """What instances are started on."""
        self._former: list[Engine] = []
        self._engine_by_instance: dict[str, Engine] = {}
        """Which engine runs an instance, as far as it was listed."""
        self._switched = asyncio.Event()

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Every engine that may run instances, the current one first."""
        return (self.current, *self._former)

    def switch_to(self, engine: Engine) -> None:
        """Start instances on `engine` from now on, which may be a former one.

        Those that run on another one run on.
        """
        self._former = [each for each in (*self._former, self.current) if each is not engine]
        self.current = engine
        self._switched.set()

    async def release_idle(self) -> list[Engine]:
        """Forget every former engine that no longer runs an instance.

        Returns them, to be closed. One that does not answer is kept, since it may
        run some.
        """
        released = []
        for engine in list(self._former):
            with contextlib.suppress(EngineError):
                if not await engine.instances():
                    self._former.remove(engine)
                    released.append(engine)
        return released

    def engine_of(self, instance_id: str) -> Engine:
        """Return the engine that runs an instance, which is the current one if none listed it."""
        return self._engine_by_instance.get(instance_id, self.current)

    async def instances(self) -> list[Instance]:
        """List the instances of all engines, oldest first.

        Raises EngineError if the current engine does not answer; a former one that
        does not is skipped.
        """
        found: dict[str, Instance] = {}
        for engine in (self.current, *self._former):
            try:
                listed = await engine.instances()
            except EngineError:
                if engine is self.current:
                    raise
                continue
            for instance in listed:
                # Two connections to one Docker engine list the same ones: the current one counts.
                if instance.id not in found:
                    found[instance.id] = instance
                    self._engine_by_instance[instance.id] = engine
        return sorted(found.values(), key=lambda instance: (instance.started, instance.id))

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield whenever instances of the current engine may have changed, until closed.

        Raises EngineError if that engine goes away.
        """
        while True:
            self._switched.clear()
            async with contextlib.aclosing(self.current.changes()) as changes:
                while await self._next(changes):
                    yield
            yield

    async def _next(self, changes: AsyncGenerator[None, None]) -> bool:
        """Wait for the next change; False if another engine took over meanwhile."""
        change = asyncio.ensure_future(anext(changes))
        switched = asyncio.create_task(self._switched.wait())
        try:
            await asyncio.wait([change, switched], return_when=asyncio.FIRST_COMPLETED)
            if change.done():
                change.result()
            return change.done()
        finally:
            await cancel_and_wait(change, switched)

    async def close(self) -> None:
        """Let go of every engine; instances run on."""
        for engine in (self.current, *self._former):
            await engine.close()
        self._former.clear()
