"""A fleet: keeps as many instances of one model ready as are wanted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, replace

from serving.engines.protocol import Engine, InstanceSpec, InstanceState
from serving.errors import EngineError, ServeryError
from serving.file_lock import file_lock
from serving.fleet.observer import Observer
from serving.fleet.plan import Desired, Observed, Replace, Start, Step, Stop, back_off, plan
from serving.fleet.record import FleetRecord, InstanceLimits, RecordFile
from serving.fleet.view import FleetView, InstanceView
from serving.models.repository import ModelRepository
from serving.predict.client import PredictClient
from serving.progress import Report, no_report
from serving.workspace import Workspace

__all__ = ["Fleet", "FleetView", "InstanceView"]

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""Between two looks while nothing happens."""
BUSY_POLL_SECONDS = 0.2
"""Between two looks while something is changing."""
SHORT_TIMEOUT = 0.3
LONG_TIMEOUT = 3.0
DRAIN_SECONDS = 30.0
"""How long an instance may take to answer what this program sent it."""
LOW_CPU_SECONDS = 15.0
"""How long an instance leaves the processor to the others at most while it starts."""
RETRY_SECONDS = 5.0
"""Before trying again what an engine refused."""


class Fleet:
    """All instances that serve one model, on one engine.

    The engine alone knows which instances exist and the record file alone how
    many are wanted, so any number of programs may hold a Fleet of the same
    workspace: each sees what the others do, and changes are made by one at a
    time. `client` is told which instances are ready. Belongs to one event loop.
    """

    def __init__(
        self,
        model: str,
        engine: Engine,
        repository: ModelRepository,
        workspace: Workspace,
        client: PredictClient,
    ) -> None:
        self._model = model
        self._engine = engine
        self._repository = repository
        self._client = client
        self._lock_file = workspace.fleet_lock
        self._record = RecordFile(workspace.root / "fleet" / f"{model}.json")
        self._observer = Observer(model, engine, repository, client)
        self._listeners: list[Callable[[FleetView], None]] = []
        self._changing = asyncio.Lock()
        self._computing: set[str] = set()
        """Instances that have their full share of the processor."""
        self._reason: str | None = None
        self._awake = asyncio.Event()
        self._looked = asyncio.Event()
        self.view = FleetView(
            model=model,
            engine=engine.name,
            engine_reason="",
            desired_count=self._record.read().desired_count,
        )
        """The latest view; see `observe`, `watch` and `run`."""

    @property
    def configured(self) -> bool:
        """Whether anybody has ever said how many instances are wanted."""
        return self._record.exists()

    def subscribe(self, listener: Callable[[FleetView], None]) -> Callable[[], None]:
        """Call `listener` with each view that differs from the one before; returns its undo."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def observe(self) -> FleetView:
        """Look once, changing nothing, and tell the client which instances are ready.

        Waits up to 3 s for instances to answer. Raises EngineError.
        """
        return await self._observe(LONG_TIMEOUT)

    async def watch(self) -> None:
        """Look again and again until cancelled, changing nothing.

        An instance that ends is out of the client's ready set within a second.
        Trouble with the engine is said in `view.engine_reason`.
        """
        changes = asyncio.create_task(self._follow_changes())
        forget = self._client.on_loss(lambda instance_id: self._awake.set())
        try:
            while True:
                self._awake.clear()
                try:
                    await self._observe(SHORT_TIMEOUT)
                except EngineError as error:
                    self._trouble(error)
                await _wait(self._awake, POLL_SECONDS if self._settled() else BUSY_POLL_SECONDS)
        finally:
            forget()
            changes.cancel()
            await asyncio.gather(changes, return_exceptions=True)
            await self._observer.close()

    async def run(self) -> None:
        """Keep the fleet as it is wanted until cancelled; instances run on afterwards."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watch())
            group.create_task(self._keep())

    async def scale(self, desired_count: int, report: Report = no_report) -> FleetView:
        """Want this many instances, and return once they are ready and no others run.

        Returns early where somebody else wants another number meanwhile. Raises
        ModelError where the model has no live version, EngineError where an
        instance cannot be started or keeps ending; what is wanted stays then,
        and `run` goes on trying.
        """
        if desired_count > 0:
            await asyncio.to_thread(self._repository.live, self._model)
        await self._want(
            lambda record: replace(record, desired_count=max(0, desired_count), failures=())
        )
        before = await self._observe(SHORT_TIMEOUT)
        surplus = len(before.instances) - desired_count
        while True:
            view = await self._step()
            extra = len(view.instances) - view.desired_count
            if view.desired_count != desired_count or (view.ready == desired_count and not extra):
                return view
            if surplus > 0:
                report(max(0, surplus - extra), surplus, f"Stopping {_instances(surplus)}.")
            else:
                report(
                    view.ready, desired_count, f"{view.ready} of {_instances(desired_count)} ready."
                )
            self._raise_if_failing(before, view)
            await asyncio.sleep(BUSY_POLL_SECONDS)

    @property
    def limits(self) -> InstanceLimits:
        """What is set for every instance."""
        return self._record.read().limits

    async def set_limits(self, limits: InstanceLimits) -> None:
        """Set the limits of every instance; `run` exchanges one instance after the other.

        So does `settle`. Raises EngineError where the file cannot be written.
        """
        await self._want(lambda record: replace(record, limits=limits, failures=()))

    async def wait_until_converged(self, report: Report = no_report) -> FleetView:
        """Return once as many instances as are wanted are ready, all with the limits that are set.

        Raises EngineError where an instance cannot be started or keeps ending;
        those that were there before serve on then, and `run` goes on trying.
        """
        before = await self._observe(SHORT_TIMEOUT)
        while True:
            view = await self._step()
            spec = self._spec().hash
            right = sum(each.instance.spec_hash == spec for each in view.instances)
            if right == len(view.instances) == view.ready == view.desired_count:
                return view
            report(
                right,
                view.desired_count,
                f"{right} of {_instances(view.desired_count)} as they should be.",
            )
            self._raise_if_failing(before, view)
            await asyncio.sleep(BUSY_POLL_SECONDS)

    async def restart(self, instance_id: str) -> None:
        """Exchange an instance for a new one; it serves until the new one is ready.

        Raises EngineError where there is no such instance or the new one ends.
        """
        await self._find(instance_id)
        await self._exchange([instance_id], no_report)

    async def rolling_restart(self, report: Report = no_report) -> None:
        """Exchange every instance for a new one, one after the other.

        Each serves until a new one is ready. Where a new one ends, or the work
        is cancelled, those not yet exchanged stay. Raises EngineError.
        """
        self._reason = None
        before = await self._engine.instances(self._model)
        ids = [instance.id for instance in before]
        try:
            await self._exchange(ids, report)
        except (EngineError, asyncio.CancelledError):
            await self._record.change(lambda record: _without(record, *ids))
            raise

    async def _exchange(self, ids: Sequence[str], report: Report) -> None:
        await self._want(
            lambda record: replace(record, retiring=(*record.retiring, *ids), failures=())
        )
        before = await self._observe(SHORT_TIMEOUT)
        while True:
            view = await self._step()
            left = sum(each.instance.id in ids for each in view.instances)
            done = len(ids) - left
            report(done, len(ids), f"{done} of {_instances(len(ids))} exchanged.")
            if not left:
                return
            self._raise_if_failing(before, view)
            await asyncio.sleep(BUSY_POLL_SECONDS)

    async def remove(self, instance_id: str) -> None:
        """Remove a failed instance, whose log is kept; as many are wanted as before.

        Raises EngineError where there is no such instance.
        """
        await self._find(instance_id)
        async with self._changing, file_lock(self._lock_file):
            await self._retire(instance_id)
        await self._observe(SHORT_TIMEOUT)

    async def stop_instance(self, instance_id: str) -> None:
        """Stop this instance after it answered what it was sent, and want one fewer.

        Raises EngineError where there is no such instance.
        """
        await self._find(instance_id)
        async with self._changing, file_lock(self._lock_file):
            await self._want(
                lambda record: replace(record, desired_count=max(0, record.desired_count - 1))
            )
            await self._retire(instance_id)
        await self._observe(SHORT_TIMEOUT)

    async def stop(self) -> None:
        """Want no instance, and return once none runs."""
        await self.scale(0)

    async def stop_and_remember(self) -> None:
        """Stop every instance but remember how many are wanted, for the next `run`.

        A `run` that still goes on, here or in another program, starts them again.
        """
        async with self._changing, file_lock(self._lock_file):
            instances = await self._engine.instances(self._model)
            await _all(self._retire(instance.id) for instance in instances)
        await self._observe(SHORT_TIMEOUT)

    async def logs(self, instance_id: str, lines: int = 200) -> str:
        """Return the last `lines` lines that an instance printed; raises EngineError."""
        return await self._engine.logs(instance_id, lines)

    def follow_logs(self, instance_id: str, lines: int = 200) -> AsyncGenerator[str, None]:
        """Yield the last `lines` lines, then each new one at once, until it ends or is closed.

        Raises EngineError.
        """
        return self._engine.follow_logs(instance_id, lines)

    async def run_command(self, instance_id: str) -> str:
        """Return the command that starts such an instance by hand; raises EngineError."""
        return await self._engine.run_command(instance_id)

    async def _observe(self, timeout_seconds: float) -> FleetView:
        if self._reason is None:
            self._reason = (await self._engine.availability()).reason
        instances = await self._observer.poll(timeout_seconds)
        self._publish(
            FleetView(
                model=self._model,
                engine=self._engine.name,
                engine_reason=self._reason,
                desired_count=self._record.read().desired_count,
                instances=tuple(instances),
            )
        )
        self._looked.set()
        return self.view

    def _publish(self, view: FleetView) -> None:
        if view == self.view:
            return
        self.view = view
        for listener in list(self._listeners):
            try:
                listener(view)
            except Exception:
                log.exception("A listener to the fleet failed")

    def _trouble(self, error: ServeryError) -> None:
        if error.what != self.view.engine_reason:
            log.warning("%s", error)
        self._reason = None
        instances = tuple(self._observer.seen)
        self._publish(replace(self.view, engine_reason=error.what, instances=instances))

    def _settled(self) -> bool:
        """Whether no instance is on its way from one state or version to another."""
        return all(
            each.state is InstanceState.FAILED
            or (each.state is InstanceState.READY and each.version == self._observer.live_version)
            for each in self.view.instances
        )

    async def _follow_changes(self) -> None:
        while True:
            try:
                async for _ in self._engine.changes():
                    self._awake.set()
            except EngineError as error:
                log.info("%s", error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _keep(self) -> None:
        while True:
            self._looked.clear()
            await self._looked.wait()
            try:
                await self._carry_out_plan()
            except EngineError as error:
                self._trouble(error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _step(self) -> FleetView:
        """Look, do what is to be done, and look again."""
        await self._observe(SHORT_TIMEOUT)
        await self._carry_out_plan()
        return self.view

    async def _carry_out_plan(self) -> None:
        """Do what the latest view asks for, and look again if that was anything."""
        async with self._changing:
            await self._let_compute()
            if not self._plan():
                return
            async with file_lock(self._lock_file):
                await self._observe(SHORT_TIMEOUT)
                steps = self._plan()
                if any(isinstance(step, Replace) for step in steps):
                    await self._record.change(lambda record: record.after_failure(time.time()))
                await _all(self._carry_out(step) for step in steps)
            await self._observe(SHORT_TIMEOUT)

    async def _let_compute(self) -> None:
        """Give instances their full share of the processor that are ready, or waited for long."""
        patient = time.time() - LOW_CPU_SECONDS
        due = {
            each.instance.id
            for each in self.view.instances
            if each.state is InstanceState.READY
            or (each.state is InstanceState.STARTING and each.instance.started < patient)
        }
        await _all(self._engine.grant_full_cpu(name) for name in due - self._computing)
        self._computing = due

    def _plan(self) -> list[Step]:
        record = self._record.read()
        desired = Desired(
            desired_count=record.desired_count,
            spec_hash=self._spec().hash,
            retiring=frozenset(record.retiring),
            failures=record.failures,
        )
        seen = [
            Observed(
                each.instance.id,
                each.state,
                each.instance.spec_hash,
                each.instance.started,
                each.instance.may_restart_until,
            )
            for each in self.view.instances
        ]
        return plan(desired, seen, time.time())

    async def _carry_out(self, step: Step) -> None:
        match step:
            case Start():
                await self._start()
            case Stop(instance_id):
                await self._retire(instance_id)
            case Replace(instance_id):
                await self._start()
                await self._retire(instance_id)

    async def _start(self) -> None:
        instance = await self._engine.start(
            self._spec(), fleet_size=self._record.read().desired_count
        )
        log.info("Started instance %s", instance.id)

    async def _retire(self, instance_id: str) -> None:
        """Let an instance answer what it was sent, then stop it."""
        self._observer.drain(instance_id)
        self._publish(_with_draining(self.view, instance_id))
        try:
            if not await self._client.drained(instance_id, DRAIN_SECONDS):
                self._client.fail_over(instance_id)
            await self._engine.stop(instance_id)
            log.info("Stopped instance %s", instance_id)
            if instance_id in self._record.read().retiring:
                await self._record.change(lambda record: _without(record, instance_id))
        finally:
            self._observer.drained(instance_id)

    async def _want(self, change: Callable[[FleetRecord], FleetRecord]) -> None:
        record = await self._record.change(change)
        self._publish(replace(self.view, desired_count=record.desired_count))
        self._awake.set()

    async def _find(self, instance_id: str) -> None:
        instances = await self._engine.instances(self._model)
        if all(instance.id != instance_id for instance in instances):
            raise EngineError(
                f"There is no instance {instance_id}.", "Look at the list of instances."
            )

    def _spec(self) -> InstanceSpec:
        config_file = self._repository.config_path(self._model).resolve()
        limits = self._record.read().limits
        return InstanceSpec(model=self._model, config_file=config_file, **asdict(limits))

    def _raise_if_failing(self, before: FleetView, now: FleetView) -> None:
        """Raise EngineError where new instances keep ending and the next try has to wait."""
        old = {each.instance.id for each in before.instances}
        failed = [
            each.instance
            for each in now.instances
            if each.state is InstanceState.FAILED and each.instance.id not in old
        ]
        pause = back_off(self._record.read().failures, time.time())
        if failed and pause > 0:
            raise EngineError(
                f"Instance {failed[-1].id} does not run. {failed[-1].failure}",
                f"Look at its log. It is tried again in {pause:.0f} s.",
            )


def _with_draining(view: FleetView, instance_id: str) -> FleetView:
    return replace(
        view,
        instances=tuple(
            replace(each, state=InstanceState.DRAINING)
            if each.instance.id == instance_id and each.state is not InstanceState.FAILED
            else each
            for each in view.instances
        ),
    )


def _without(record: FleetRecord, *ids: str) -> FleetRecord:
    return replace(record, retiring=tuple(name for name in record.retiring if name not in ids))


def _instances(count: int) -> str:
    return "1 instance" if count == 1 else f"{count} instances"


async def _all(works: Iterable[Awaitable[None]]) -> None:
    """Carry out all of it at once, each to its end; raises the first error."""
    for result in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
