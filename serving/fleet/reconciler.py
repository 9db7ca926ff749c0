"""Observe, plan, act: how the instances of a fleet become what its record says."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from serving.background import finish, in_background
from serving.clock import Sightings
from serving.engines.protocol import Engine, InstanceSpec, InstanceState
from serving.engines.switch import EngineSwitch
from serving.errors import EngineError, ModelError, ServeryError, storage_error
from serving.file_lock import file_lock
from serving.fleet.fallback import Fallback
from serving.fleet.observer import Observer
from serving.fleet.plan import Desired, Observed, Replace, Start, Step, Stop, back_off, plan
from serving.fleet.record import FleetRecord, RecordFile
from serving.fleet.version_trial import Trial, UnusableVersion, try_version
from serving.fleet.view import FleetView
from serving.models.faults import VersionFault
from serving.models.repository import ModelRepository, Version
from serving.predict.client import PredictClient
from serving.progress import Report
from serving.workspace import Workspace

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""Between two observations while nothing happens."""
BUSY_POLL_SECONDS = 0.2
"""Between two observations while something is changing."""
OBSERVE_SECONDS = 0.3
"""How long an observation waits for instances to answer."""
DRAIN_SECONDS = 30.0
"""How long an instance may take to answer what this program sent it."""
LOW_CPU_SECONDS = 15.0
"""How long a starting instance leaves the processor to the others at most."""
RETRY_SECONDS = 5.0
"""Before trying again what an engine refused."""

Progress = Callable[[FleetView, FleetView], tuple[int, int, str]]
"""What to report, from the first view and the latest one."""


class Reconciler:
    """Takes the instances of a workspace, step by step, to what the record says.

    Several programs may do so for the same workspace: each sees what the others
    do, and one at a time makes changes. `Fleet` adds what changes the record.
    `trial` tries a version before instances load it.
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
    ) -> None:
        self._engines = engine if isinstance(engine, EngineSwitch) else EngineSwitch(engine)
        self._repository = repository
        self._client = client
        self._clock = clock
        self._lock_path = workspace.fleet_lock
        self._monotonic = monotonic
        self._observer = Observer(self._engines, repository, client, monotonic=monotonic)
        self._starting = Sightings()
        """How long instances have been starting while this program looked on."""
        self._listeners: list[Callable[[FleetView], None]] = []
        self._full_cpu: set[str] = set()
        """Instances that have their full share of the processor."""
        self._reasons: dict[Engine, str] = {}
        """Why each engine was chosen, until something goes wrong with it."""
        self._wake = asyncio.Event()
        self._observed = asyncio.Event()
        self._record = RecordFile(workspace.fleet_record, workspace.damaged)
        self._trial = trial
        self._fallback = Fallback(repository, trial)
        self.view = FleetView(
            served=self._observer.served,
            engine=self._engines.current.name,
            engine_reason="",
            desired_count=self._record.read().desired_count,
        )
        """The latest view; see `watch` and `run`."""

    def subscribe(self, listener: Callable[[FleetView], None]) -> Callable[[], None]:
        """Call `listener` with each view that differs from the one before; returns its undo."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def watch(self) -> None:
        """Observe again and again until cancelled, changing no instance.

        An instance that ends leaves the client's ready set within a second. What
        is wrong with the engine is said in `view.engine_reason`. Where a live version cannot
        be loaded, the last good one answers in its place.
        """
        unsubscribe = self._client.on_loss(lambda instance_id: self._wake.set())
        try:
            async with (
                in_background(self._follow_changes()),
                in_background(self._look_for_faults()),
            ):
                while True:
                    self._wake.clear()
                    try:
                        await self._observe()
                    except ServeryError as error:
                        self._show_error(error)
                    except OSError as error:
                        self._show_error(self._refusal(error))
                    await _wait(self._wake, POLL_SECONDS if self._settled() else BUSY_POLL_SECONDS)
        finally:
            unsubscribe()
            await self._observer.close()

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
                    await asyncio.sleep(RETRY_SECONDS)
                except OSError as error:  # a full disk is no reason to leave the instances alone
                    self._show_error(self._refusal(error))
                    await asyncio.sleep(RETRY_SECONDS)

    async def try_version(self, version: Version) -> None:
        """Find out whether instances could serve a version, before they load it.

        At once if a ready one has loaded it, or if it was live before and its files are as they
        were: rolling back is in haste. Raises UnusableVersion with the reason, which is recorded
        in the repository.
        """
        if any(
            version.number in each.loaded.get(version.model, frozenset())
            for each in self.view.answering
        ):
            return
        if await asyncio.to_thread(self._has_answered, version):
            return
        try:
            await self._trial(version, self._record.read().limits.memory_limit)
        except UnusableVersion as error:
            fault = VersionFault(error.what, error.advice)
            await finish(
                asyncio.to_thread(
                    self._repository.record_fault, version.model, version.number, fault
                )
            )
            self._wake.set()
            raise

    def _has_answered(self, version: Version) -> bool:
        """Whether a version was live before without a fault, and nothing has changed in it."""
        model, number, repository = version.model, version.number, self._repository
        if number not in repository.former_live(model) or repository.fault(model, number):
            return False
        try:
            return repository.verify(model, number) == []
        except ModelError:
            return False

    async def _look_for_faults(self) -> None:
        """Let the last good version answer for a live one that cannot be loaded."""
        await self._retry_faults()
        while True:
            await self._check_faults()
            await asyncio.sleep(POLL_SECONDS)

    async def _retry_faults(self) -> None:
        with _logged("Trying a version again"):
            await self._fallback.retry(self._record.read().limits.memory_limit)

    async def _check_faults(self) -> None:
        with _logged("Looking for a version that cannot be served"):
            if await self._fallback.check(self.view, self._record.read().limits.memory_limit):
                self._wake.set()
            # A version whose files were mended has no fault any more: it is loaded again.
            await asyncio.to_thread(self._repository.refresh_config)

    async def _observe(self, timeout_seconds: float = OBSERVE_SECONDS) -> FleetView:
        """Observe once, changing nothing, and give the client the ready instances.

        Waits up to `timeout_seconds` for instances to answer. Raises EngineError.
        """
        engine = self._engines.current
        reason = self._reasons.get(engine)
        if reason is None:
            reason = self._reasons[engine] = (await engine.availability()).reason
        await self._observer.poll(timeout_seconds)
        self._publish(
            replace(
                self.view,
                served=self._observer.served,
                faults=self._observer.faults,
                live_versions=self._observer.live,
                canaries=self._observer.canaries,
                engine=engine.name,
                engine_reason=reason,
                desired_count=self._record.read().desired_count,
            )
        )
        self._observed.set()
        return self.view

    async def _act(self) -> bool:
        """Do what the latest view calls for; False if that is nothing.

        Each step is carried out to its end, then the first error is raised.
        """
        await self._grant_full_cpu()
        if not self._plan():
            return False
        # Planned without the lock first, to see whether there is anything to do: a program
        # that has nothing to do never waits for one that acts. It may be out of date once the
        # lock is held, since another program may have done the same: observe and plan again.
        async with file_lock(self._lock_path):
            await self._observe()
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
        while True:
            view = await self._observe()
            first = first or view
            if await self._act():
                continue
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

    def _spec(self) -> InstanceSpec:
        """What each instance should be."""
        limits = self._record.read().limits
        return InstanceSpec(self._repository.config_path.resolve(), **asdict(limits))

    async def _grant_full_cpu(self) -> None:
        """Give instances their full share of the processor that are ready, or waited for long."""
        now = self._monotonic()
        starting = {
            each.instance.id for each in self.view.instances if each.state is InstanceState.STARTING
        }
        self._starting.keep_only(starting)
        late = {each for each in starting if self._starting.seconds(each, now) > LOW_CPU_SECONDS}
        ready = {
            each.instance.id for each in self.view.instances if each.state is InstanceState.READY
        }
        entitled = ready | late
        await wait_for_all(
            self._engines.engine_of(each).grant_full_cpu(each) for each in entitled - self._full_cpu
        )
        self._full_cpu = entitled

    def _plan(self) -> list[Step]:
        if self._record.damage() is not None:
            return []  # nobody knows how many are desired: those that run go on
        record = self._record.read()
        desired = Desired(
            desired_count=record.desired_count,
            spec_hash=self._spec().hash,
            retiring=frozenset(record.retiring),
            failures=record.failures,
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
        steps = plan(desired, observed, self._clock())
        # Without any model to serve, an instance would never be ready.
        may_start = bool(self._observer.served.current)
        return [step for step in steps if may_start or isinstance(step, Stop)]

    async def _carry_out(self, step: Step) -> None:
        if isinstance(step, Start | Replace):
            await asyncio.to_thread(self._repository.refresh_config)
            fleet_size = self._record.read().desired_count
            instance = await self._engines.current.start(self._spec(), fleet_size=fleet_size)
            log.info("Started instance %s", instance.id)
        if isinstance(step, Stop | Replace):
            await self._retire(step.instance_id)

    async def _retire(self, instance_id: str) -> None:
        """Let an instance answer what it was sent, then stop it; raises EngineError."""
        self._observer.drain(instance_id)
        self._publish(self.view)
        try:
            if not await self._client.drained(instance_id, DRAIN_SECONDS):
                self._client.fail_over(instance_id)
            await self._engines.engine_of(instance_id).stop(instance_id)
            log.info("Stopped instance %s", instance_id)
            if instance_id in self._record.read().retiring:
                await self._record.change(lambda record: record.without_retiring(instance_id))
        finally:
            self._observer.drained(instance_id)

    def _publish(self, view: FleetView) -> None:
        """Make `view` the latest one, with the instances as they were observed last."""
        view = replace(view, instances=tuple(self._observer.views))
        if view != self.view:
            self.view = view
            for listener in list(self._listeners):
                try:
                    listener(view)
                except Exception:
                    log.exception("A listener to the fleet failed")

    def _refusal(self, error: OSError) -> EngineError:
        path = Path(str(error.filename or self._lock_path.parent))
        return storage_error(error, path, "The fleet cannot be changed now", EngineError)

    def _show_error(self, error: ServeryError) -> None:
        if error.what != self.view.engine_reason:
            log.warning("%s", error)
        self._reasons.clear()
        self._publish(replace(self.view, engine_reason=error.what))

    def _settled(self) -> bool:
        """Whether no instance is on its way from one state or version to another."""
        return all(
            each.state is InstanceState.FAILED
            or (
                each.state is InstanceState.READY
                and all(
                    each.versions.get(name) == number or name in each.load_errors
                    for name, number in self._observer.live.items()
                )
            )
            for each in self.view.instances
        )

    async def _follow_changes(self) -> None:
        while True:
            try:
                async for _ in self._engines.changes():
                    self._wake.set()
            except EngineError as error:
                log.info("%s", error)
            await asyncio.sleep(RETRY_SECONDS)

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


@contextmanager
def _logged(doing: str) -> Iterator[None]:
    """Log what fails, which the next round tries again."""
    try:
        yield
    except ServeryError as error:
        log.warning("%s", error)
    except Exception:
        log.exception("%s failed", doing)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
