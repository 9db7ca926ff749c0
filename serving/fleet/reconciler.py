"""Observe, plan, act: how the instances of a fleet become what its record says."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, replace

from serving.clock import Sightings
from serving.engines.protocol import (
    ANSWERING_STATES,
    Engine,
    InstanceSpec,
    InstanceState,
    ReplicatedEngine,
    UpdateState,
)
from serving.engines.switch import EngineSwitch
from serving.errors import EngineError, ServeryError
from serving.file_lock import file_lock
from serving.fleet import watcher
from serving.fleet.pace import BUSY_POLL_SECONDS
from serving.fleet.plan import (
    Apply,
    Desired,
    Observed,
    Replace,
    Start,
    Step,
    Stop,
    back_off,
    is_stable,
    plan,
    plan_replicated,
)
from serving.fleet.record import FleetRecord, InstanceLimits
from serving.fleet.rolled_back import UpdateWatch, return_to_former
from serving.fleet.version_trial import Trial, try_version
from serving.fleet.view import FleetView
from serving.fleet.watcher import FleetWatcher
from serving.models.fleet_image import FleetImage
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.progress import Report
from serving.workspace import Workspace

log = logging.getLogger(__name__)

DRAIN_SECONDS = 30.0
"""How long an instance may take to answer what this program sent it."""
LOW_CPU_SECONDS = 15.0
"""How long a starting instance leaves the processor to the others at most."""

Progress = Callable[[FleetView, FleetView], tuple[int, int, str]]
"""What to report, from the first view and the latest one."""


class Reconciler(FleetWatcher):
    """Takes the instances of a workspace, step by step, to what the record says.

    Several programs may do so for the same workspace: each sees what the others
    do, and one at a time makes changes. `Fleet` adds what changes the record.
    """

    def __init__(
        self,
        engine: Engine | EngineSwitch,
        repository: ModelRepository,
        workspace: Workspace,
        client: PredictClient,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        trial: Trial = try_version,
        keeps_metrics: bool = False,
    ) -> None:
        """With `keeps_metrics` the view says now and then what instances use, even if nobody
        looks."""
        super().__init__(
            engine,
            repository,
            workspace,
            client,
            monotonic=monotonic,
            trial=trial,
            keeps_metrics=keeps_metrics,
        )
        self._clock = clock
        self._starting = Sightings()
        """How long instances have been starting while this program looked on."""
        self._answering = Sightings()
        """How long they have answered without a break."""
        self._full_cpu: set[str] = set()
        """Instances that have their full share of the processor."""

    async def run(self) -> None:
        """Watch, and act on what is observed, until cancelled; instances run on afterwards."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watch())
            while True:
                self._observed.clear()
                await self._observed.wait()
                try:
                    if await self._act():
                        self._wake.set()
                except ServeryError as error:
                    self._show_error(error)
                    await asyncio.sleep(watcher.RETRY_SECONDS)
                except OSError as error:  # a full disk is no reason to leave the instances alone
                    self._show_error(self._refusal(error))
                    await asyncio.sleep(watcher.RETRY_SECONDS)

    async def _act(self) -> bool:
        """Do what the latest view calls for; False if that is nothing.

        Each step is carried out to its end, then the first error is raised.
        """
        await self._grant_full_cpu()
        await self._forget_failures()
        if not self._plan() and not self._was_rolled_back():
            return False
        # Planned without the lock first, to see whether there is anything to do: a program
        # that has nothing to do never waits for one that acts. It may be out of date once the
        # lock is held, since another program may have done the same: observe and plan again.
        async with file_lock(self._lock_path):
            await self._observe()
            if self._was_rolled_back():
                await return_to_former(
                    self._record, self._repository, self._engines.current, self._is_former
                )
            steps = self._plan()
            if any(isinstance(step, Replace) for step in steps):
                await self._record.change(lambda record: record.after_failure(self._clock()))
            await wait_for_all(self._carry_out(step) for step in steps)
        return True

    async def _converge(
        self, is_done: Callable[[FleetView], bool], progress: Progress, report: Report
    ) -> FleetView:
        """Observe and act until nothing is left to do and the view `is_done`.

        Raises EngineError if an engine refuses, or new instances keep ending.
        """
        first: FleetView | None = None
        watch = UpdateWatch()
        while True:
            view = await self._observe()
            first = first or view
            watch.look(self._service(), view)
            if await self._act():
                continue
            watch.raise_if_failed()
            if is_done(view):
                return view
            report(*progress(first, view))
            await self._check_faults()
            self._raise_if_failing(first, view)
            await asyncio.sleep(BUSY_POLL_SECONDS)

    async def _change_record(self, change: Callable[[FleetRecord], FleetRecord]) -> None:
        """Change what the fleet should be; raises EngineError if that cannot be written."""
        record = await self._record.change(change)
        self._publish(replace(self.view, desired_count=record.desired_count))
        self._wake.set()

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[None]:
        """Keep everybody else from acting meanwhile, and observe afterwards."""
        async with file_lock(self._lock_path):
            yield
        await self._observe()

    def _was_rolled_back(self) -> bool:
        """Whether the engine has gone back from what the record says to what it said before."""
        service, record = self._service(), self._record.read()
        spec_hash = self._spec().hash
        return (
            service is not None
            and record.former_limits is not None
            and service.update is UpdateState.ROLLED_BACK
            and service.spec_hash != spec_hash == record.applied
        )

    def _is_former(self, limits: InstanceLimits, image: FleetImage | None) -> bool:
        service = self._service()
        return service is not None and service.spec_hash == self._spec_of(limits, image).hash

    def _spec(self) -> InstanceSpec:
        """What each instance should be."""
        return self._spec_of(self._record.read().limits, self._repository.fleet_image())

    def _spec_of(self, limits: InstanceLimits, image: FleetImage | None) -> InstanceSpec:
        """Return what each would be with these limits, if the fleet ran from this image."""
        mark = image.mark if image is not None and image.image == limits.image else ""
        config = self._repository.config_path.resolve()
        return InstanceSpec(config, **asdict(limits), baked=mark)

    async def _grant_full_cpu(self) -> None:
        """Give instances their full share of the processor that are ready, or waited for long."""
        now = self._monotonic()
        starting = {
            each.instance.id for each in self.view.instances if each.state is InstanceState.STARTING
        }
        self._starting.keep_only(starting)
        late = {each for each in starting if self._starting.seconds(each, now) > LOW_CPU_SECONDS}
        ready = {each.instance.id for each in self.view.instances if each.state in ANSWERING_STATES}
        full_cpu = ready | late
        await wait_for_all(
            self._engines.engine_of(each).grant_full_cpu(each) for each in full_cpu - self._full_cpu
        )
        self._full_cpu = full_cpu

    async def _forget_failures(self) -> None:
        """Let the next failed instance be replaced at once if the last replacement lasts."""
        now = self._monotonic()
        answering = [each.instance for each in self.view.answering]
        self._answering.keep_only(each.id for each in answering)
        seconds = {each.id: self._answering.seconds(each.id, now) for each in answering}

        def is_over(record: FleetRecord) -> bool:
            return any(
                is_stable(record.failures, each.started, seconds[each.id]) for each in answering
            )

        record = self._record.read()
        if record.failures and is_over(record):
            await self._record.change(
                lambda record: replace(record, failures=()) if is_over(record) else record
            )

    def _plan(self) -> list[Step]:
        if self._record.damage() is not None:
            return []  # nobody knows how many are desired: those that run go on
        record = self._record.read()
        engine = self._engines.current
        engines = {
            each.instance.id: self._engines.engine_of(each.instance.id)
            for each in self.view.instances
        }
        # What replicates by itself chooses which instance goes, so that all of its own have to.
        leaving = {
            name
            for name, each in engines.items()
            if each is not engine and isinstance(each, ReplicatedEngine)
        }
        desired = Desired(
            desired_count=record.desired_count,
            spec_hash=self._spec().hash,
            retiring=frozenset(record.retiring) | leaving,
            failures=record.failures,
            applied_hash=record.applied,
        )
        observed = [
            Observed(
                each.instance.id,
                each.state,
                each.instance.spec_hash,
                each.instance.started,
                self._clock() + each.instance.may_restart_until - self._monotonic(),
            )
            for each in self.view.instances
        ]
        if isinstance(engine, ReplicatedEngine):
            own = [each for each in observed if engines[each.id] is engine]
            others = [each for each in observed if each not in own]
            steps = plan_replicated(desired, engine.service, own, others)
        else:
            steps = plan(desired, observed, self._clock())
        # Without any model to serve, an instance would never be ready.
        may_start = bool(self._observer.served.current)
        return [
            step
            for step in steps
            if may_start or isinstance(step, Stop) or (isinstance(step, Apply) and not step.count)
        ]

    async def _carry_out(self, step: Step) -> None:
        if isinstance(step, Apply):
            await self._apply(step)
            return
        if isinstance(step, Start | Replace):
            await asyncio.to_thread(self._repository.refresh_config)
            fleet_size = self._record.read().desired_count
            instance = await self._engines.current.start(self._spec(), fleet_size=fleet_size)
            log.info("Started instance %s", instance.id)
        if isinstance(step, Stop | Replace):
            await self._retire(step.instance_id)

    async def _apply(self, step: Apply) -> None:
        """Tell an engine that replicates by itself what there should be; raises EngineError."""
        engine = self._engines.current
        if not isinstance(engine, ReplicatedEngine):
            return  # it was switched since this was planned
        await asyncio.to_thread(self._repository.refresh_config)
        spec = self._spec()
        await engine.apply(spec, step.count, restart=step.restart)
        log.info("Told the engine to keep %d instances", step.count)
        own = {
            each.instance.id
            for each in self.view.instances
            if self._engines.engine_of(each.instance.id) is engine
        }
        await self._record.change(
            lambda record: replace(record.without_retiring(*own), applied=spec.hash)
        )

    async def _retire(self, instance_id: str) -> None:
        """Let an instance answer what it was sent, then stop it; raises EngineError."""
        self._observer.drain(instance_id)
        self._publish(self.view)
        try:
            if not await self._client.balancer.drained(instance_id, DRAIN_SECONDS):
                self._client.balancer.fail_over(instance_id)
            await self._engines.engine_of(instance_id).stop(instance_id)
            log.info("Stopped instance %s", instance_id)
            if instance_id in self._record.read().retiring:
                await self._record.change(lambda record: record.without_retiring(instance_id))
        finally:
            self._observer.drained(instance_id)

    def _raise_if_failing(self, first: FleetView, latest: FleetView) -> None:
        """Raise EngineError if new instances keep ending and the next try has to wait."""
        known = {each.instance.id for each in first.instances}
        failed = [
            each.instance
            for each in latest.instances
            if each.state is InstanceState.FAILED and each.instance.id not in known
        ]
        pause = back_off(self._record.read().failures, self._clock())
        if failed and pause > 0:
            log_file = failed[-1].log or f"`servery fleet logs {failed[-1].id}` prints it"
            raise EngineError(
                f"Instance {failed[-1].id} does not run. {failed[-1].failure}",
                f"Look at its log ({log_file}). It is tried again in {pause:.0f} s.",
            )


async def wait_for_all(works: Iterable[Awaitable[None]]) -> None:
    """Carry out all of it at once, each to its end; raises the first error."""
    for result in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
