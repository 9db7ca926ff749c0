"""Use cases: change which models the instances serve while requests go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from serving.background import finish
from serving.engines.protocol import InstanceState
from serving.errors import EngineError, ModelError
from serving.file_lock import file_lock
from serving.fleet.fleet import Fleet
from serving.fleet.model_memory import remember_memory
from serving.fleet.view import FleetView, InstanceView
from serving.models.repository import ModelRepository
from serving.models.served import ServedModels
from serving.progress import Report, no_report

log = logging.getLogger(__name__)

LOAD_SECONDS = 600.0
"""How long the instances may take to load a model, its upload to another machine included."""
OLD_ERROR_SECONDS = 30.0
"""A server keeps the error of an earlier attempt until it has read that there is another one."""
FORGET_SECONDS = 3.0
"""How long until every server, which polls its configuration each second, has read that the model
is gone."""
POLL_SECONDS = 0.2


async def use_model(
    fleet: Fleet, repository: ModelRepository, name: str, report: Report = no_report
) -> None:
    """Make `name` the current model, once every ready instance has loaded it.

    The former one is unloaded then unless it is one of those that are served beside the
    current one. No request fails meanwhile. Without a ready instance it is done at once.
    Raises ModelError if the model has no live version or an instance cannot load it; then,
    and when cancelled, everything is as it was before.
    """
    async with _loaded(fleet, repository, name, report):
        await _change(repository, lambda served: replace(served, current=name, loading=""))
    await _observe(fleet)


async def serve_model(
    fleet: Fleet, repository: ModelRepository, name: str, report: Report = no_report
) -> None:
    """Serve `name` beside the current model, once every ready instance has loaded it.

    Raises as `use_model` does.
    """

    def add(served: ServedModels) -> ServedModels:
        also = served.also if name in served.also else (*served.also, name)
        return replace(served, also=also, loading="")

    async with _loaded(fleet, repository, name, report):
        await _change(repository, add)
    await _observe(fleet)


async def unserve_model(fleet: Fleet, repository: ModelRepository, name: str) -> None:
    """Serve `name` no longer than it is the current model; the instances unload it.

    Nothing happens if it is not served. Raises ModelError if it is served as the current
    one alone.
    """
    async with _switch_lock(repository):
        served = repository.served()
        if name == served.current and name not in served.also:
            raise ModelError(
                f"Model {name} is the current one, which is always served.",
                "Use another model first.",
            )
        also = tuple(each for each in served.also if each != name)
        await _change(repository, lambda served: replace(served, also=also))
    await _observe(fleet)


async def end_interrupted_switch(repository: ModelRepository) -> None:
    """Stop loading what a program that was killed was loading.

    Waits while one that lives loads a model.
    """
    async with _switch_lock(repository):
        if repository.served().loading:
            await _change(repository, lambda served: replace(served, loading=""))


def _switch_lock(repository: ModelRepository) -> AbstractAsyncContextManager[None]:
    """One switch at a time, among all programs."""
    return file_lock(repository.root / ".switch.lock")


async def _change(
    repository: ModelRepository, change: Callable[[ServedModels], ServedModels]
) -> None:
    # A thread cannot be cancelled: wait, so that what follows finds it done.
    await finish(asyncio.to_thread(repository.change_served, change))


@asynccontextmanager
async def _loaded(
    fleet: Fleet, repository: ModelRepository, name: str, report: Report
) -> AsyncIterator[None]:
    """Run the block once every ready instance has loaded `name`; undo the loading if it fails."""
    async with _switch_lock(repository):
        version = await asyncio.to_thread(repository.answering, name)
        number = version.number
        view = await _observe(fleet)
        if fleet.has_outdated(view):
            # Those of the version before know one model and would never load another.
            view = await fleet.wait_until_converged(report)
        is_new = name not in repository.served().names()
        # Before any instance loads it: it might end every one of them.
        await fleet.try_version(version)
        try:
            await _change(repository, lambda served: replace(served, loading=name))
            after = await _Loading(fleet, name, number, view).wait(report)
            if is_new:
                await asyncio.to_thread(remember_memory, repository, name, view, after)
            yield
        except BaseException as error:
            await _change(repository, lambda served: replace(served, loading=""))
            if isinstance(error, ModelError):
                # A server that never reads that it is to forget the model would not load it again.
                await asyncio.sleep(FORGET_SECONDS)
            raise


class _Loading:
    """Watches the instances load a model."""

    def __init__(self, fleet: Fleet, name: str, number: int, before: FleetView) -> None:
        self._fleet, self._name, self._number = fleet, name, number
        self._before = before
        self._failed_before = {each.instance.id for each in before.instances if _has_failed(each)}
        self._failure = ""
        """Why an instance ended meanwhile."""
        self._old_errors: set[str] = set()
        """Ids of instances whose server still shows the error of an earlier attempt."""

    async def wait(self, report: Report) -> FleetView:
        """Return the first view in which every ready instance has the model.

        Raises ModelError if an instance cannot load it.
        """
        # An instance that ends may have been replaced by the next view that is looked at here.
        unsubscribe = self._fleet.subscribe(self._note)
        try:
            return await self._wait(report)
        finally:
            unsubscribe()

    async def _wait(self, report: Report) -> FleetView:
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._report(self._before, report)
        # Twice: what was being asked as this began did not ask for the model.
        await _observe(self._fleet)
        view = await _observe(self._fleet)
        self._old_errors = {
            each.instance.id for each in view.instances if self._name in each.load_errors
        }
        while True:
            self._note(view)
            seconds = loop.time() - started
            self._raise_if_failed(view, seconds)
            # If all that were ready have gone, their successors show whether it can be loaded.
            if (view.ready or not self._before.ready) and view.loaded_everywhere(
                self._name, self._number
            ):
                return await _observe(self._fleet)
            self._report(view, report)
            if seconds > LOAD_SECONDS:
                raise ModelError(
                    f"Model {self._name} was not loaded within {LOAD_SECONDS:.0f} s.",
                    "Look at the logs of the instances, then try again.",
                )
            await asyncio.sleep(POLL_SECONDS)
            view = await _observe(self._fleet)

    def _report(self, view: FleetView, report: Report) -> None:
        loaded = sum(each.versions.get(self._name) == self._number for each in view.answering)
        report(loaded, view.ready, f"{self._name} is loaded by {loaded} of {view.ready}.")

    def _note(self, view: FleetView) -> None:
        for each in view.instances:
            if _has_failed(each) and each.instance.id not in self._failed_before:
                self._failure = self._failure or (
                    f"Instance {each.instance.id} ended meanwhile. {each.instance.failure}"
                )

    def _raise_if_failed(self, view: FleetView, seconds: float) -> None:
        reason = self._failure
        for each in view.instances:
            error = each.load_errors.get(self._name)
            if error is None:
                self._old_errors.discard(each.instance.id)
            elif each.instance.id not in self._old_errors or seconds > OLD_ERROR_SECONDS:
                reason = f"Instance {each.instance.id} says: {error}"
        if reason:
            raise ModelError(
                f"Model {self._name} cannot be served. {reason}",
                "The instances serve what they served before. Choose another version of the "
                "model, or give the instances more memory.",
            )


async def _observe(fleet: Fleet) -> FleetView:
    try:
        return await fleet.observe()
    except EngineError as error:
        # Which models are served does not depend on an engine that may run no instance at all.
        log.info("%s", error)
        return fleet.view


def _has_failed(each: InstanceView) -> bool:
    return each.state is InstanceState.FAILED
