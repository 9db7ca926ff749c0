"""What the instances of a fleet do: observed again and again, and told to whoever wants to know."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from serving.background import finish, in_background
from serving.engines.protocol import (
    ANSWERING_STATES,
    Engine,
    InstanceState,
    ReplicatedEngine,
    ReplicatedService,
)
from serving.engines.switch import EngineSwitch
from serving.errors import EngineError, ModelError, ServeryError, storage_error
from serving.fleet.fallback import Fallback
from serving.fleet.observer import Observer
from serving.fleet.pace import IDLE_SECONDS, POLL_SECONDS, Pace
from serving.fleet.record import RecordFile
from serving.fleet.version_trial import Trial, UnusableVersion, try_version
from serving.fleet.view import FleetView
from serving.models.faults import VersionFault
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.predict.client import PredictClient
from serving.tf.file_watch import file_state, wait_for_changes
from serving.workspace import Workspace

log = logging.getLogger(__name__)

OBSERVE_SECONDS = 0.3
"""How long an observation waits for instances to answer."""
RETRY_SECONDS = 5.0
"""Before trying again what an engine refused."""


class FleetWatcher:
    """Observes the instances of a workspace, and gives a client those that are ready.

    Changes no instance: `Reconciler` adds that. Where a live version cannot be
    loaded, it lets the last good one answer. `trial` tries a version before
    instances load it.
    """

    def __init__(
        self,
        engine: Engine | EngineSwitch,
        repository: ModelRepository,
        workspace: Workspace,
        client: PredictClient,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        trial: Trial = try_version,
        keeps_metrics: bool = False,
    ) -> None:
        """With `keeps_metrics` the view says now and then what instances use, even if nobody
        looks."""
        self._engines = engine if isinstance(engine, EngineSwitch) else EngineSwitch(engine)
        self._repository = repository
        self._client = client
        self._lock_path = workspace.fleet_lock
        self._monotonic = monotonic
        self._observer = Observer(self._engines, repository, client, monotonic=monotonic)
        self._listeners: list[Callable[[FleetView], None]] = []
        self._reasons: dict[Engine, str] = {}
        """Why each engine was chosen, until something goes wrong with it."""
        self._wake = asyncio.Event()
        self._observed = asyncio.Event()
        self._record = RecordFile(workspace.fleet_record, workspace.damaged)
        self._trial = trial
        self._pace = Pace(keeps_metrics=keeps_metrics, monotonic=monotonic)
        self._check_due = asyncio.Event()
        """Set when a fault may have come or gone."""
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
        unsubscribe = self._client.balancer.on_loss(lambda instance_id: self._wake.set())
        try:
            async with (
                in_background(self._follow_changes()),
                in_background(self._follow_configuration()),
                in_background(self._look_for_faults()),
            ):
                probes = True
                while True:
                    self._wake.clear()
                    try:
                        await self._observe(probes=probes)
                    except ServeryError as error:
                        self._show_error(error)
                    except OSError as error:
                        self._show_error(self._refusal(error))
                    pause = self._pause()
                    await _wait(self._wake, pause)
                    probes = self._pace.should_probe(pause, notified=self._wake.is_set())
        finally:
            unsubscribe()
            await self._observer.close()

    @contextmanager
    def observe_often(self) -> Iterator[None]:
        """Keep the view up to date to the second during the block, with what instances use."""
        with self._pace.observe_often():
            self._wake.set()
            yield

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
            return version.changed_files() == []
        except ModelError:
            return False

    async def _look_for_faults(self) -> None:
        """Let the last good version answer for a live one that cannot be loaded."""
        await self._retry_faults()
        while True:
            self._check_due.clear()
            await self._check_faults()
            await asyncio.sleep(POLL_SECONDS)
            await _wait(self._check_due, max(0.0, self._pause() - POLL_SECONDS))

    async def _retry_faults(self) -> None:
        with _logged("Trying a version again"):
            await self._fallback.retry(self._record.read().limits.memory_limit)

    async def _check_faults(self) -> None:
        with _logged("Looking for a version that cannot be served"):
            if await self._fallback.check(self.view, self._record.read().limits.memory_limit):
                self._wake.set()
            # A version whose files were mended has no fault any more: it is loaded again.
            await asyncio.to_thread(self._repository.refresh_config)

    async def _observe(
        self,
        timeout_seconds: float = OBSERVE_SECONDS,
        *,
        measure: bool = False,
        probes: bool = True,
    ) -> FleetView:
        """Observe once, changing nothing, and give the client the ready instances.

        Waits up to `timeout_seconds` for instances to answer, unless they are not probed.
        With `measure` they are asked what they use, even if it is not time for that. Raises
        EngineError.
        """
        engine = self._engines.current
        reason = self._reasons.get(engine)
        if reason is None:
            availability = await engine.availability()
            reason = availability.reason
            if availability.usable:  # what is wrong with an engine may pass before the next call
                self._reasons[engine] = reason
        sent = sum(each.requests for each in self._client.balancer.counters().values())
        measures = self._pace.begin(sent, self.view)
        record = self._record.read()
        await self._observer.poll(
            timeout_seconds, measures=measures or measure, probes=probes, attached=record.attached
        )
        self._publish(
            replace(
                self.view,
                served=self._observer.served,
                faults=self._observer.faults,
                live_versions=self._observer.live,
                canaries=self._observer.canaries,
                update=service.sentence if (service := self._service()) is not None else "",
                engine=engine.name,
                engine_reason=reason,
                engine_usable=engine in self._reasons,
                desired_count=self._record.read().desired_count,
            )
        )
        self._observed.set()
        return self.view

    def _service(self) -> ReplicatedService | None:
        """What the engine keeps running by itself, if it does so, as of the last observation."""
        engine = self._engines.current
        return engine.service if isinstance(engine, ReplicatedEngine) else None

    def _pause(self) -> float:
        """Return how many seconds to wait for something to happen before the next observation."""
        return self._pace.pause(self.view, settled=self._settled())

    def _settled(self) -> bool:
        """Whether no instance is on its way from one state or version to another."""
        return all(
            each.state is InstanceState.FAILED
            or (
                each.state in ANSWERING_STATES
                and all(
                    each.versions.get(name) == number or name in each.load_errors
                    for name, number in self._observer.live.items()
                )
            )
            for each in self.view.instances
        )

    def _publish(self, view: FleetView) -> None:
        """Make `view` the latest one, with the instances as they were observed last."""
        observer = self._observer
        view = replace(view, instances=tuple(observer.views), attached=tuple(observer.attached))
        if view != self.view:
            self.view = view
            self._check_due.set()
            for listener in list(self._listeners):
                try:
                    listener(view)
                except Exception:
                    log.exception("A listener to the fleet failed")

    def _show_error(self, error: ServeryError) -> None:
        if error.what != self.view.engine_reason:
            log.warning("%s", error)
        self._reasons.clear()
        self._publish(replace(self.view, engine_reason=error.what, engine_usable=False))

    def _refusal(self, error: OSError) -> EngineError:
        path = Path(str(error.filename or self._lock_path.parent))
        return storage_error(error, path, "The fleet cannot be changed now", EngineError)

    async def _follow_changes(self) -> None:
        while True:
            try:
                async for _ in self._engines.changes():
                    self._wake.set()
            except EngineError as error:
                log.info("%s", error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow_configuration(self) -> None:
        """Observe at once when it was changed what instances should load, or how many there are."""
        paths = (self._repository.config_path, self._repository.served_path, self._record.path)
        before = {path: file_state(path) for path in paths}
        while True:
            await wait_for_changes(before, IDLE_SECONDS)
            now = {path: file_state(path) for path in paths}
            if now != before:
                before = now
                self._check_due.set()
                self._wake.set()


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
