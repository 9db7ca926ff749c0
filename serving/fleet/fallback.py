"""Finds out that a live version cannot be served, and lets the last good one answer for it."""

from __future__ import annotations

import asyncio
import logging
import math
import time

from serving.engines.protocol import InstanceState
from serving.errors import ModelError
from serving.file_lock import file_lock
from serving.fleet.version_trial import ADVICE, Trial, UnusableVersion
from serving.fleet.view import FleetView, InstanceView
from serving.models.faults import VersionFault, files_state
from serving.models.repository import ModelRepository
from serving.models.version import Version

log = logging.getLogger(__name__)

LOCK_NAME = ".trial.lock"
SLOW_SECONDS = 10.0
"""How long instances may load a live version before it is tried here."""


class Fallback:
    """Looks at each view of a fleet for a live version that instances cannot load.

    Such a version is tried in a process of its own. What is found is recorded in the
    repository, by which instances load the last good version in its place, those that start
    meanwhile too. Which version is live is left to people and to the gate.
    """

    def __init__(self, repository: ModelRepository, trial: Trial) -> None:
        self._repository = repository
        self._trial = trial
        self._explained: dict[tuple[str, int, str], set[tuple[str, str]]] = {}
        """By version and state of its files, the symptoms for which it was tried."""
        self._missing_since: dict[tuple[str, str, int], float] = {}
        """Since when an instance has not had a live version, monotonic."""
        self._states: dict[tuple[str, int], tuple[str, float]] = {}
        """By version, the state of its files, and since when they have changed to it, monotonic."""
        self._answered: set[str] = set()
        """Ids of instances that were ready once."""

    async def check(self, view: FleetView, memory_limit: int) -> bool:
        """Act on the symptoms in a view; True if a version was recorded as faulty."""
        found = False
        self._forget_removed({each.instance.id for each in view.instances})
        for model in view.served.names():
            live = await asyncio.to_thread(self._live, model)
            if live is None:
                continue
            symptoms = self._symptoms(view, live)
            if symptoms and await self._has_new_symptoms(live, symptoms):
                found |= await self._examine(view, live, memory_limit)
        return found

    async def retry(self, memory_limit: int) -> None:
        """Try live versions with a fault again, since the reason may be gone."""
        for model in self._repository.served().names():
            live = await asyncio.to_thread(self._live, model)
            if live is None:
                continue
            try:
                if await asyncio.to_thread(self._repository.fault, model, live.number) is None:
                    continue
                async with file_lock(self._repository.root / LOCK_NAME):
                    await self._trial(live, memory_limit)
                await asyncio.to_thread(self._repository.forget_fault, model, live.number)
                self._explained.clear()
            except ModelError as error:
                log.info("%s", error)

    def _live(self, model: str) -> Version | None:
        """Return the live version, whose files may be damaged or gone; None without one."""
        number = self._repository.live_number(model)
        if number is None:
            return None
        return Version(model, number, self._repository.root / model / str(number))

    def _symptoms(self, view: FleetView, live: Version) -> set[tuple[str, str]]:
        """Return what suggests that instances cannot load a version: ids, and what is so there.

        A server that cannot load says so; one that is ended by loading has failed; one that
        loads for ever says nothing.
        """
        model, found = live.model, set()
        others_loaded_it = any(each.versions.get(model) == live.number for each in view.answering)
        for each in view.instances:
            name = each.instance.id
            # One that had answered was ended from outside if others have loaded the version.
            was_killed = others_loaded_it and name in self._answered
            if each.state is InstanceState.FAILED:
                if was_killed or not each.instance.has_run:
                    continue
                found.add((name, "ended"))
            elif _is_running(each) and model in each.load_errors:
                found.add((name, each.load_errors[model]))
            elif _is_running(each) and self._loads_slowly(each, live):
                found.add((name, "slow"))
        self._answered |= {each.instance.id for each in view.answering}
        return found

    def _forget_removed(self, ids: set[str]) -> None:
        """Forget what is known of instances that are gone."""
        self._answered &= ids
        self._missing_since = {
            key: since for key, since in self._missing_since.items() if key[0] in ids
        }
        for version, known in self._explained.items():
            self._explained[version] = {each for each in known if each[0] in ids}

    def _loads_slowly(self, each: InstanceView, live: Version) -> bool:
        """Whether an instance has not had a live version for a while."""
        key = (each.instance.id, live.model, live.number)
        if each.versions.get(live.model) == live.number:
            self._missing_since.pop(key, None)
            return False
        now = time.monotonic()
        return now - self._missing_since.setdefault(key, now) > SLOW_SECONDS

    async def _has_new_symptoms(self, live: Version, symptoms: set[tuple[str, str]]) -> bool:
        """Whether there are symptoms for which the version has not been tried as it is now."""
        state = await asyncio.to_thread(files_state, live.path)
        if not self._is_settled(live, state):
            return False
        known = self._explained.setdefault((live.model, live.number, state), set())
        news = not symptoms <= known
        known |= symptoms
        return news

    def _is_settled(self, live: Version, state: str) -> bool:
        """Whether what instances say can be about the files as they are now.

        What they say of a version whose files have just been mended is about the former ones.
        """
        earlier, since = self._states.get((live.model, live.number), (state, -math.inf))
        if earlier != state:
            since = time.monotonic()
        self._states[live.model, live.number] = state, since
        return time.monotonic() - since > SLOW_SECONDS

    async def _examine(self, view: FleetView, live: Version, memory_limit: int) -> bool:
        # One trial at a time among all programs: the second finds what the first recorded.
        async with file_lock(self._repository.root / LOCK_NAME):
            repository, model = self._repository, live.model
            if await asyncio.to_thread(repository.fault, model, live.number) is not None:
                return False
            fault = await self._fault(view, live, memory_limit)
            if fault is None:
                return False
            good = await self._last_good(view, live, memory_limit)
            log.warning(
                "%s %s",
                fault.what,
                f"Version {good} answers in its place." if good else "No version answers.",
            )
            await asyncio.to_thread(repository.record_fault, model, live.number, fault, good)
            return True

    async def _fault(
        self, view: FleetView, live: Version, memory_limit: int
    ) -> VersionFault | None:
        try:
            await self._trial(live, memory_limit)
        except UnusableVersion as error:
            return VersionFault(error.what, error.advice)
        running = [each for each in view.instances if _is_running(each)]
        errors = [each.load_errors.get(live.model) for each in running]
        if running and all(errors):
            # It loads here and in none of them: another program runs in their containers.
            said = str(errors[0]).rstrip(".")
            return VersionFault(
                f"Version {live.number} of {live.model} cannot be served. Its servers say: {said}.",
                ADVICE,
            )
        return None

    async def _last_good(self, view: FleetView, live: Version, memory_limit: int) -> int | None:
        """Return the version that should answer in place of the live one, if there is one."""
        loaded = view.version_of(live.model)
        for version in await asyncio.to_thread(self._candidates, live, loaded):
            if version.number == loaded:
                return version.number
            try:
                await self._trial(version, memory_limit)
            except ModelError as error:
                log.info("%s", error)
                continue
            return version.number
        return None

    def _candidates(self, live: Version, loaded: int | None) -> list[Version]:
        """Return what may answer: the loaded version, then those that were live before, the last
        one first, then older ones.

        Never one that is newer and was never live, since the gate held it back.
        """
        versions = {each.number: each for each in self._repository.versions(live.model)}
        former = self._repository.former_live(live.model)
        older = [number for number in reversed(versions) if number < live.number]
        return [
            versions[number]
            for number in dict.fromkeys((loaded, *former, *older))
            if number is not None
            and number in versions
            and number != live.number
            and self._repository.fault(live.model, number) is None
        ]


def _is_running(each: InstanceView) -> bool:
    return each.state in (InstanceState.STARTING, InstanceState.READY)
