"""One engine today and another tomorrow, for a fleet that goes on all the while."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from serving.engines.protocol import (
    Availability,
    Engine,
    Instance,
    InstanceSpec,
    InstanceStats,
)
from serving.errors import EngineError


class EngineSwitch:
    """The engine that instances are started on, and those that still run some.

    Every instance is looked after by the engine that runs it, so that a fleet
    moves from one to the other one instance at a time.
    """

    def __init__(self, engine: Engine) -> None:
        self._current = engine
        self._former: list[Engine] = []
        self._homes: dict[str, Engine] = {}
        """Which engine runs an instance, as far as it was listed."""
        self._switched = asyncio.Event()

    @property
    def name(self) -> str:
        """The name of the engine that instances are started on."""
        return self._current.name

    @property
    def current(self) -> Engine:
        """What instances are started on."""
        return self._current

    def switch_to(self, engine: Engine) -> None:
        """Start instances on `engine` from now on; those on the one before run on.

        `engine` may be one that was left before.
        """
        self._former = [each for each in (*self._former, self._current) if each is not engine]
        self._current = engine
        self._switched.set()

    async def release_idle(self) -> list[Engine]:
        """Forget every engine before the current one that runs no instance any more.

        Returns them, to be closed. One that does not answer is kept, since
        nobody knows what it runs.
        """
        left = []
        for engine in list(self._former):
            with contextlib.suppress(EngineError):
                if not await engine.instances():
                    self._former.remove(engine)
                    left.append(engine)
        return left

    async def availability(self) -> Availability:
        """Say whether instances can be started now."""
        return await self._current.availability()

    async def instances(self, model: str | None = None) -> list[Instance]:
        """List the instances of all engines, oldest first.

        Raises EngineError where the current engine does not answer; what a
        former one does not tell is left out.
        """
        found = []
        for engine in (self._current, *self._former):
            try:
                listed = await engine.instances(model)
            except EngineError:
                if engine is self._current:
                    raise
                continue
            self._homes |= {instance.id: engine for instance in listed}
            found += listed
        return sorted(found, key=lambda instance: (instance.started, instance.id))

    async def start(self, spec: InstanceSpec, *, fleet_size: int = 1) -> Instance:
        """Start one instance on the current engine; raises EngineError."""
        instance = await self._current.start(spec, fleet_size=fleet_size)
        self._homes[instance.id] = self._current
        return instance

    async def grant_full_cpu(self, instance_id: str) -> None:
        """Give it as much of the processor as the others have; raises EngineError."""
        await self._home(instance_id).grant_full_cpu(instance_id)

    async def stop(self, instance_id: str, grace: float = 10.0) -> None:
        """End an instance where it runs; nothing where there is none."""
        await self._home(instance_id).stop(instance_id, grace)

    async def logs(self, instance_id: str, lines: int = 200) -> str:
        """Return the last `lines` lines it printed; raises EngineError."""
        return await self._home(instance_id).logs(instance_id, lines)

    def follow_logs(self, instance_id: str, lines: int = 200) -> AsyncGenerator[str, None]:
        """Yield the last `lines` lines and each new one; raises EngineError."""
        return self._home(instance_id).follow_logs(instance_id, lines)

    async def run_command(self, instance_id: str) -> str:
        """Return the command that makes such an instance; raises EngineError."""
        return await self._home(instance_id).run_command(instance_id)

    async def stats(self, instance_id: str) -> InstanceStats | None:
        """Return what it uses now; None where it is gone or not known yet."""
        return await self._home(instance_id).stats(instance_id)

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield whenever instances of the current engine may have changed, until closed.

        Raises EngineError where that engine goes away.
        """
        while True:
            self._switched.clear()
            async with contextlib.aclosing(self._current.changes()) as changes:
                while await self._next(changes):
                    yield
            yield

    async def _next(self, changes: AsyncGenerator[None, None]) -> bool:
        """Wait for the next change; False where another engine took over meanwhile."""
        change = asyncio.ensure_future(anext(changes))
        switched = asyncio.ensure_future(self._switched.wait())
        try:
            await asyncio.wait([change, switched], return_when=asyncio.FIRST_COMPLETED)
            if change.done():
                change.result()
            return change.done()
        finally:
            for each in (change, switched):
                each.cancel()
            await asyncio.gather(change, switched, return_exceptions=True)

    async def close(self) -> None:
        """Let go of every engine; instances run on."""
        for engine in (self._current, *self._former):
            await engine.close()
        self._former.clear()

    def _home(self, instance_id: str) -> Engine:
        return self._homes.get(instance_id, self._current)
