"""Sees how the instances of a fleet are, without changing any."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from dataclasses import dataclass, replace

from serving.engines.protocol import Engine, Instance, InstanceState, InstanceStats
from serving.errors import EngineError, ModelError
from serving.fleet.probe import SILENCE_SECONDS, InstanceProbe
from serving.fleet.server_metrics import ServerMetrics
from serving.fleet.view import InstanceView
from serving.models.repository import ModelRepository
from serving.predict.client import InstanceAddress, PredictClient
from serving.predict.traffic import InstanceTraffic

log = logging.getLogger(__name__)

START_SECONDS = 300.0
"""An instance that is not ready this long after its start has failed."""

_ANSWERING = (InstanceState.READY, InstanceState.DRAINING)


@dataclass
class _Watched:
    """What is remembered of one instance between two looks."""

    probe: InstanceProbe | None = None
    probing: asyncio.Task[None] | None = None
    stats: InstanceStats | None = None
    metrics: ServerMetrics | None = None
    measuring: asyncio.Task[None] | None = None

    async def close(self) -> None:
        tasks = [task for task in (self.probing, self.measuring) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.probe is not None:
            await self.probe.close()
        if self.metrics is not None:
            await self.metrics.close()


class Observer:
    """Joins what the engine, the instances and the client say into one view.

    Each look also tells the client which instances are ready.
    """

    def __init__(
        self, model: str, engine: Engine, repository: ModelRepository, client: PredictClient
    ) -> None:
        self._model = model
        self._engine = engine
        self._repository = repository
        self._client = client
        self._watched: dict[str, _Watched] = {}
        self._draining: dict[str, bool] = {}
        """Instances taken out of the ready set, and whether that has ended."""
        self._looking = asyncio.Lock()
        self._instances: list[Instance] = []
        """What the engine said last."""
        self._engine_answers = True
        self.seen: list[InstanceView] = []
        """What the last look came to, also one that failed since the engine did not answer."""
        self.live_version: int | None = None
        """The version that the repository said was live, at the last look."""

    async def poll(self, timeout_seconds: float) -> list[InstanceView]:
        """Return the instances, oldest first; raises EngineError.

        Waits up to `patience` seconds for instances to answer; what one says
        later counts at the next look. An instance that the engine no longer
        runs leaves the ready set before that. While the engine itself does not
        answer, an instance is ready only as long as it does.
        """
        async with self._looking:
            ended = [name for name, has_ended in self._draining.items() if has_ended]
            instances = await self._listed(timeout_seconds)
            for name in ended:
                if self._draining.get(name):
                    del self._draining[name]
            self.live_version = await asyncio.to_thread(self._promoted)
            await self._forget_others({instance.id for instance in instances})
            self._evaluate(instances)
            await self._ask(instances, timeout_seconds)
            return self._evaluate(instances)

    async def _listed(self, timeout_seconds: float) -> list[Instance]:
        try:
            self._instances = await self._engine.instances(self._model)
        except EngineError:
            self._engine_answers = False
            await self._ask(self._instances, timeout_seconds)
            self._evaluate(self._instances)
            raise
        self._engine_answers = True
        return self._instances

    def drain(self, instance_id: str) -> None:
        """Take an instance out of the ready set at once; it is shown as draining."""
        self._draining[instance_id] = False
        self._tell_client()

    def drained(self, instance_id: str) -> None:
        """The instance is gone, or stays after all: the next look that begins will tell."""
        self._draining[instance_id] = True

    async def close(self) -> None:
        """Close the connections to the instances; a later look opens them again."""
        async with self._looking:
            await self._forget_others(set())

    def _promoted(self) -> int | None:
        try:
            return self._repository.live(self._model).number
        except ModelError:
            return None

    async def _forget_others(self, ids: set[str]) -> None:
        for instance_id in [name for name in self._watched if name not in ids]:
            await self._watched.pop(instance_id).close()

    async def _ask(self, instances: list[Instance], timeout_seconds: float) -> None:
        tasks: set[asyncio.Task[None]] = set()
        for instance in instances:
            watched = self._watched.setdefault(instance.id, _Watched())
            if instance.state in (InstanceState.FAILED, InstanceState.STOPPED):
                continue
            if instance.grpc_address is not None:
                probe = await self._probe(watched, instance.grpc_address)
                if watched.probing is None or watched.probing.done():
                    watched.probing = _task(probe.check(self.live_version))
                tasks.add(watched.probing)
            if not self._engine_answers:
                continue
            if watched.measuring is None or watched.measuring.done():
                watched.measuring = _task(self._measure(instance, watched))
            tasks.add(watched.measuring)
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_seconds)

    async def _probe(self, watched: _Watched, address: str) -> InstanceProbe:
        if watched.probe is not None and watched.probe.address != address:
            await watched.close()
            watched.probe = watched.probing = watched.metrics = None
        if watched.probe is None:
            watched.probe = InstanceProbe(self._model, address)
        return watched.probe

    async def _measure(self, instance: Instance, watched: _Watched) -> None:
        watched.stats = await self._engine.stats(instance.id)
        if instance.rest_address is not None and watched.probe is not None:
            if watched.metrics is None:
                watched.metrics = ServerMetrics(self._model, instance.rest_address)
            await watched.metrics.poll()

    def _evaluate(self, instances: list[Instance]) -> list[InstanceView]:
        counters = self._client.counters()
        self.seen = [
            self._view(instance, counters.get(instance.id, InstanceTraffic()))
            for instance in instances
        ]
        self._tell_client()
        for each in self.seen:
            if each.state is InstanceState.FAILED and each.instance.id in counters:
                self._client.fail_over(each.instance.id)
        return self.seen

    def _view(self, instance: Instance, traffic: InstanceTraffic) -> InstanceView:
        watched = self._watched.get(instance.id, _Watched())
        probe = watched.probe
        if probe is not None and traffic.seconds_since_answer is not None:
            probe.answer_received(traffic.seconds_since_answer)
        state, failure = self._state(instance, probe)
        metrics = watched.metrics
        counted = metrics.requests if metrics is not None else None
        return InstanceView(
            instance=replace(instance, failure=failure),
            state=state,
            version=probe.version if probe and state in _ANSWERING else None,
            stats=watched.stats if state is not InstanceState.FAILED else None,
            requests=traffic.requests if counted is None else counted,
            requests_per_second=(
                traffic.requests_per_second
                if metrics is None or counted is None
                else metrics.requests_per_second
            ),
            p95_milliseconds=(
                traffic.p95_milliseconds
                if metrics is None or traffic.requests
                else metrics.p95_milliseconds
            ),
        )

    def _state(self, instance: Instance, probe: InstanceProbe | None) -> tuple[InstanceState, str]:
        if instance.id in self._draining and instance.state is not InstanceState.FAILED:
            return InstanceState.DRAINING, ""
        if instance.state is not InstanceState.STARTING:
            return instance.state, instance.failure
        if probe is not None and probe.silent_seconds > SILENCE_SECONDS:
            return (
                InstanceState.FAILED,
                f"It runs, but has not answered for {probe.silent_seconds:.0f} s.",
            )
        problem = (probe.problem if probe is not None else "") or instance.failure
        if probe is not None and probe.ready:
            return InstanceState.READY, problem
        if not self._engine_answers:
            return InstanceState.FAILED, "Neither it nor the engine that runs it answers."
        waited = time.time() - instance.started
        if waited > START_SECONDS:
            return (
                InstanceState.FAILED,
                f"It was not ready {waited:.0f} s after its start. {problem}".strip(),
            )
        return InstanceState.STARTING, problem

    def _tell_client(self) -> None:
        self._client.set_instances(
            InstanceAddress(each.instance.id, each.instance.grpc_address)
            for each in self.seen
            if each.state is InstanceState.READY
            and each.instance.id not in self._draining
            and each.instance.grpc_address is not None
        )


def _task(work: Awaitable[None]) -> asyncio.Task[None]:
    """Start work whose failure is a log line and not the end of the observation."""

    async def carry_out() -> None:
        try:
            await work
        except EngineError as error:
            log.warning("%s", error)
        except Exception:
            log.exception("Looking at an instance failed")

    return asyncio.get_running_loop().create_task(carry_out())
