"""Observes the instances of a fleet, without changing any."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from serving.background import cancel_and_wait
from serving.engines.protocol import (
    ANSWERING_STATES,
    ENDED_STATES,
    Instance,
    InstanceState,
    InstanceStats,
)
from serving.engines.switch import EngineSwitch
from serving.errors import EngineError, ModelError
from serving.fleet.attached import AttachedServers
from serving.fleet.probe import SILENCE_SECONDS, InstanceProbe
from serving.fleet.server_metrics import ServerMetrics
from serving.fleet.view import InstanceView
from serving.models.canary import CanaryPhase
from serving.models.faults import VersionFault
from serving.models.repository import ModelRepository
from serving.models.served import ServedModels
from serving.predict.client import PredictClient
from serving.predict.load_balancer import InstanceAddress
from serving.predict.traffic import InstanceTraffic

log = logging.getLogger(__name__)

START_SECONDS = 300.0
"""An instance that is not ready this long after its start, or its adoption, has failed."""

WAKE_SECONDS = 30.0
"""How long one that has woken counts as asleep before it is seen to answer."""
SWITCH_SECONDS = 30.0
"""How long an instance stays ready that has not yet been seen to serve a new current model."""

_ANSWERING = (InstanceState.READY, InstanceState.DRAINING)


@dataclass
class _Watched:
    """What is remembered of one instance between two polls."""

    started: float
    """When the engine says that it was started, in seconds since the epoch."""
    since: float
    """When this program saw it first, or saw it started again, monotonic."""
    probe: InstanceProbe | None = None
    probing: asyncio.Task[None] | None = None
    stats: InstanceStats | None = None
    metrics: ServerMetrics | None = None
    measuring: asyncio.Task[None] | None = None
    had_current: float | None = None
    """When it last had the current model loaded, monotonic; None if it never had."""
    asleep: float | None = None
    """When it was last asleep, monotonic; None if it has not been since it answered."""
    sleep_count: int = 0
    """How often it has fallen asleep."""

    async def close(self) -> None:
        tasks = [task for task in (self.probing, self.measuring) if task is not None]
        await cancel_and_wait(*tasks)
        if self.probe is not None:
            await self.probe.close()
        if self.metrics is not None:
            await self.metrics.close()
        self.probe = self.probing = self.metrics = self.measuring = self.had_current = None


class Observer:
    """Joins what the engine, the instances and the client say into one view.

    Each poll also gives the client the ready instances. That an instance
    drains is known here alone.
    """

    def __init__(
        self,
        engines: EngineSwitch,
        repository: ModelRepository,
        client: PredictClient,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._engines = engines
        self._repository = repository
        self._client = client
        self._monotonic = monotonic
        self._watched: dict[str, _Watched] = {}
        self._draining: dict[str, bool] = {}
        """Instances taken out of the ready set, and whether that has ended."""
        self._polling = asyncio.Lock()
        self._instances: list[Instance] = []
        """What the engine listed last."""
        self._engine_answers = True
        self._measures, self._probes = False, True
        self.views: list[InstanceView] = []
        """The instances as of the last poll, oldest first, even if the engine did not answer."""
        self.attached: list[InstanceView] = []
        """The servers that somebody else runs, as of the last poll."""
        self._servers = AttachedServers(monotonic)
        self.served = repository.served()
        """The models that were served at the last poll."""
        self.live: Mapping[str, int | None] = {}
        """The versions of theirs that should answer, as the repository said then; None for a
        model without one."""
        self.canaries: Mapping[str, int] = {}
        """The versions that answered a share of the requests then, by the model."""
        self._loadable: Mapping[str, frozenset[int]] = {}
        """The versions that one loads that wakes, of models with a canary."""
        self._with_canary: frozenset[str] = frozenset()
        """Models that had a canary, be it one that began or ended."""
        self.faults: Mapping[str, VersionFault] = {}
        """Why the live versions of some of them cannot be served."""

    async def poll(
        self,
        timeout_seconds: float,
        *,
        measures: bool,
        probes: bool = True,
        attached: Sequence[str] = (),
    ) -> None:
        """Bring `views` up to date, if it `measures` with what instances use; raises EngineError.

        Unless it `probes`, instances that served all models when they were last asked count as
        they did then, unless they have ended. `attached` are addresses of servers that somebody
        else runs.

        Waits up to `timeout_seconds` for instances to answer; what one says later
        counts at the next poll. An instance that the engine no longer runs leaves
        the ready set before that. While the engine itself does not answer, an
        instance is ready only as long as it does.
        """
        async with self._polling:
            # Noted before the engine is asked: one that stops while the engine makes its list may
            # still be on it, and would be shown as ready again if its drain were forgotten then.
            drained = [name for name, is_over in self._draining.items() if is_over]
            self._measures, self._probes = measures, probes
            await self._list(timeout_seconds, attached)
            for name in drained:
                # A drain that began again meanwhile stays.
                if self._draining.get(name):
                    del self._draining[name]
            self.served, self.live, self.faults = await asyncio.to_thread(self._read_served)
            await self._forget_removed({instance.id for instance in self._instances})
            # Evaluated before the instances are asked, so that one that is gone is left at once.
            self._evaluate()
            await self._ask(timeout_seconds, attached)
            self._evaluate()

    async def _list(self, timeout_seconds: float, attached: Sequence[str]) -> None:
        try:
            self._instances = await self._engines.instances()
        except EngineError:
            self._engine_answers = False
            await self._ask(timeout_seconds, attached)
            self._evaluate()
            raise
        self._engine_answers = True

    def drain(self, instance_id: str) -> None:
        """Take an instance out of the ready set at once; it is shown as draining."""
        self._draining[instance_id] = False
        self._evaluate()

    def drained(self, instance_id: str) -> None:
        """The instance is gone, or stays after all: the next poll that begins shows which."""
        self._draining[instance_id] = True

    async def close(self) -> None:
        """Close the connections to the instances; a later look opens them again."""
        async with self._polling:
            await self._forget_removed(set())
            await self._servers.close()

    def _read_served(self) -> tuple[ServedModels, dict[str, int | None], dict[str, VersionFault]]:
        served = self._repository.served()
        canaries = self._repository.canaries
        found = {name: canaries.of(name) for name in served.names()}
        self._with_canary = frozenset(name for name, each in found.items() if each is not None)
        self._loadable = {
            name: frozenset({each.stable, each.version})
            for name, each in found.items()
            if each is not None and each.phase is not CanaryPhase.ENDING
        }
        self.canaries = {
            name: each.version
            for name, each in found.items()
            if each is not None and each.phase is CanaryPhase.RUNNING
        }
        numbers: dict[str, int | None] = {}
        faults = {}
        for name in served.names():
            numbers[name] = None
            live = self._repository.live_number(name)
            fault = None if live is None else self._repository.fault(name, live)
            if fault is not None:
                faults[name] = fault
            with contextlib.suppress(ModelError):
                numbers[name] = self._repository.answering(name).number
        return served, numbers, faults

    def _new(self, instance: Instance) -> _Watched:
        return _Watched(instance.started, self._monotonic())

    async def _forget_removed(self, ids: set[str]) -> None:
        for instance_id in [name for name in self._watched if name not in ids]:
            await self._watched.pop(instance_id).close()

    async def _ask(self, timeout_seconds: float, attached: Sequence[str]) -> None:
        tasks = await self._servers.ask(attached, self.live)
        for instance in self._instances:
            watched = self._watched.setdefault(instance.id, self._new(instance))
            if watched.started != instance.started:
                watched.started, watched.since = instance.started, self._monotonic()
            if instance.state in ENDED_STATES:
                continue
            if instance.state is InstanceState.ASLEEP:
                # Asked for anything, it would wake.
                if watched.asleep is None:
                    await watched.close()
                    watched.sleep_count += 1
                watched.asleep = self._monotonic()
                if self._measures:
                    watched.stats = await self._engines.engine_of(instance.id).stats(instance.id)
                continue
            if instance.grpc_address is not None:
                probe = await self._probe(
                    watched, instance.grpc_address, any_version=instance.any_version
                )
                if self._probes or self.live.keys() - probe.versions.keys():
                    if watched.probing is None or watched.probing.done():
                        watched.probing = _task(probe.check(self.live, self._with_canary))
                    tasks.add(watched.probing)
            if not self._engine_answers or not self._measures:
                # Its statistics come from the engine, which would be waited for once more.
                continue
            if watched.measuring is None or watched.measuring.done():
                watched.measuring = _task(self._measure(instance, watched))
            tasks.add(watched.measuring)
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_seconds)

    async def _probe(self, watched: _Watched, address: str, *, any_version: bool) -> InstanceProbe:
        # A container that was restarted has another port, and nothing known of it holds any more.
        if watched.probe is not None and watched.probe.address != address:
            await watched.close()
        if watched.probe is None:
            watched.probe = InstanceProbe(address, self._monotonic, any_version=any_version)
        return watched.probe

    async def _measure(self, instance: Instance, watched: _Watched) -> None:
        watched.stats = await self._engines.engine_of(instance.id).stats(instance.id)
        if instance.rest_address is not None and watched.probe is not None:
            if watched.metrics is None:
                watched.metrics = ServerMetrics(instance.rest_address)
            await watched.metrics.poll()

    def _evaluate(self) -> None:
        counters = self._client.balancer.counters()
        self.views = [
            self._view(instance, counters.get(instance.id, InstanceTraffic()))
            for instance in self._instances
        ]
        self.attached = self._servers.views(self.served.current, self.live, counters)
        self._client.balancer.set_instances(
            InstanceAddress(
                each.instance.id,
                each.instance.grpc_address,
                each.state is InstanceState.ASLEEP,
                self._sleep_count(each.instance.id),
            )
            for each in (*self.views, *self.attached)
            if each.state in ANSWERING_STATES and each.instance.grpc_address is not None
        )
        for each in (*self.views, *self.attached):
            if each.state is InstanceState.FAILED and each.instance.id in counters:
                self._client.balancer.fail_over(each.instance.id)

    def _sleep_count(self, instance_id: str) -> int:
        watched = self._watched.get(instance_id)
        return 0 if watched is None or watched.asleep is not None else watched.sleep_count

    def _view(self, instance: Instance, traffic: InstanceTraffic) -> InstanceView:
        watched = self._watched.get(instance.id) or self._new(instance)
        probe = watched.probe
        if probe is not None and traffic.seconds_since_answer is not None:
            probe.answer_received(traffic.seconds_since_answer)
        state, failure = self._state(instance, watched)
        metrics = watched.metrics
        counted = metrics.requests if metrics is not None else None
        versions, loaded = self._versions(state, probe)
        return InstanceView(
            instance=replace(instance, failure=failure),
            state=state,
            model=self.served.current,
            versions=versions,
            loaded=loaded,
            load_errors=dict(probe.errors) if probe else {},
            refused=dict(probe.refused) if probe else {},
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

    def _versions(
        self, state: InstanceState, probe: InstanceProbe | None
    ) -> tuple[dict[str, int], dict[str, frozenset[int]]]:
        """Return what an instance answers with, and what it has loaded; asleep, what it will."""
        if state is InstanceState.ASLEEP:
            live = {name: number for name, number in self.live.items() if number is not None}
            return live, {
                name: self._loadable.get(name, frozenset({number})) for name, number in live.items()
            }
        if probe is None or state not in _ANSWERING:
            return {}, {}
        return dict(probe.versions), dict(probe.loaded)

    def _state(self, instance: Instance, watched: _Watched) -> tuple[InstanceState, str]:
        probe = watched.probe
        if instance.id in self._draining and instance.state is not InstanceState.FAILED:
            return InstanceState.DRAINING, ""
        if instance.state is not InstanceState.STARTING:
            return instance.state, instance.failure
        if probe is not None and probe.silent_seconds > SILENCE_SECONDS:
            return (
                InstanceState.FAILED,
                f"It runs, but has not answered for {probe.silent_seconds:.0f} s.",
            )
        problem = (self._problem(probe) if probe is not None else "") or instance.failure
        if probe is not None and self._serves_current(probe, watched):
            watched.asleep = None
            return InstanceState.READY, problem
        if watched.asleep is not None and self._monotonic() - watched.asleep < WAKE_SECONDS:
            return InstanceState.ASLEEP, ""
        if not self._engine_answers:
            return InstanceState.FAILED, "Neither it nor the engine that runs it answers."
        # Measured here: one that runs for hours is given time to answer a program that has only
        # just come, and when it was started says another clock, or this one before it was set.
        waited = self._monotonic() - watched.since
        if waited > START_SECONDS:
            return (
                InstanceState.FAILED,
                f"It was not ready within {waited:.0f} s. {problem}".strip(),
            )
        return InstanceState.STARTING, problem

    def _serves_current(self, probe: InstanceProbe, watched: _Watched) -> bool:
        """Whether requests for the current model may go to an instance.

        Another program makes a model current as soon as it has seen every instance load it,
        which may be before this one has: an instance that was ready until then stays so.
        """
        if self.served.current in probe.versions:
            watched.had_current = self._monotonic()
            return True
        return (
            watched.had_current is not None
            and self._monotonic() - watched.had_current < SWITCH_SECONDS
            and probe.reachable
            and self.served.current not in probe.errors
        )

    def _problem(self, probe: InstanceProbe) -> str:
        """Say, as a sentence, what keeps an instance from serving all that it should."""
        if probe.problem:
            return probe.problem
        for name in self.served.names():
            if name in probe.errors:
                about = "" if name == self.served.current else f" of model {name}"
                return f"Its server says{about}: {probe.errors[name]}"
        return ""


def _task(work: Awaitable[None]) -> asyncio.Task[None]:
    """Start work whose failure is a log line and not the end of the observation."""

    async def carry_out() -> None:
        try:
            await work
        except EngineError as error:
            log.warning("%s", error)
        except Exception:
            log.exception("Observing an instance failed")

    return asyncio.get_running_loop().create_task(carry_out())
