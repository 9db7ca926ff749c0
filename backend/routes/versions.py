"""/models/{model}/versions: which versions a model has, and which one is live."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request

from backend.access import caller_name
from backend.contract import (
    AuditAction,
    Decision,
    EvaluationReport,
    Event,
    PhotoAnswer,
    Rule,
    Verification,
    VersionSummary,
)
from backend.events import EventBroker
from backend.http_errors import HttpError
from backend.models.catalog import ModelCatalog
from backend.models.lifecycle import ModelSwitch
from backend.models.names import ModelNames
from backend.person import checked_person
from backend.store.store import Store
from backend.training.photo_answers import read_answers
from backend.training.worker_protocol import REPORT_PATH
from serving.errors import BackendError, ModelError
from serving.fleet.version_trial import UnusableVersion
from serving.json_decode import decode
from serving.models.model_settings import ModelSettings
from serving.models.pruning import prune, remove_version
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.state_files import UnreadableFile, read_object

MAX_REPORT_BYTES = 2**26
"""With a confusion matrix of thousands of classes."""
MAX_ANSWERS = 1_000
_log = logging.getLogger(__name__)


def routes(
    repository: ModelRepository,
    catalog: ModelCatalog,
    names: ModelNames,
    store: Store,
    switch: ModelSwitch,
    broker: EventBroker,
) -> APIRouter:
    router = APIRouter(prefix="/models/{model}/versions")

    @router.get("")
    async def versions(model: str) -> list[VersionSummary]:
        """Return the versions of `model`, newest first."""
        return await catalog.versions(await names.find(model))

    @router.post("/{number}/promote")
    async def promote(request: Request, model: str, number: int, by: str = "") -> VersionSummary:
        """Make a version the one that answers for its model; rolling back is the same.

        It is tried before: 422 with the reason if no instance could serve it, and then what
        is live stays so. Versions that nothing keeps any more are removed.
        `by` says who decided that, if not the user who sends it.
        """
        person = checked_person(by, caller_name(request.scope))
        version = await find(model, number)
        model = version.model
        try:
            await switch.try_version(version)
        except UnusableVersion:
            broker.publish(Event("models", model))
            raise
        await asyncio.to_thread(repository.promote, model, number)
        # The version is live from here on, whether its promotion can be recorded or not.
        broker.publish(Event("models", model))
        try:
            await store.runs.record_decision(model, number, Decision.PROMOTED, Rule.PERSON, person)
        except BackendError as error:
            _log.error("The promotion of version %s could not be recorded: %s", number, error)
        await asyncio.to_thread(prune, repository, model)
        return await catalog.version(model, number)

    @router.put("/{number}/pinned")
    async def pin(request: Request, model: str, number: int, by: str = "") -> VersionSummary:
        """Keep a version however many newer ones there will be; `by` is as for `promote`."""
        return await set_pinned(request, model, number, by, pinned=True)

    @router.delete("/{number}/pinned")
    async def unpin(request: Request, model: str, number: int, by: str = "") -> VersionSummary:
        """Let a version go once there are enough newer ones."""
        return await set_pinned(request, model, number, by, pinned=False)

    @router.delete("/{number}", status_code=204)
    async def delete(request: Request, model: str, number: int, by: str = "") -> None:
        """Remove a version for good, unless it is live or pinned."""
        person = checked_person(by, caller_name(request.scope))
        version = await find(model, number)
        try:
            await asyncio.to_thread(remove_version, repository, version.model, number)
        except ModelError as error:
            raise HttpError(409, error.what, error.advice) from error
        await note(version, AuditAction.DELETED, person)
        broker.publish(Event("models", version.model))

    @router.post("/{number}/verify")
    async def verify(model: str, number: int) -> Verification:
        """Compare the files of a version with the checksums recorded when it was added."""
        version = await find(model, number)
        changed = await asyncio.to_thread(version.changed_files)
        return Verification(version.model, number, changed is not None, changed or [])

    @router.get("/{number}/report")
    async def report(model: str, number: int) -> EvaluationReport:
        """Return how training measured a version; 404 if it did not make it."""
        version = await find(model, number)
        return await asyncio.to_thread(_report, version)

    @router.get("/{number}/answers")
    async def answers(
        model: str,
        number: int,
        label: str,
        answered: str,
        count: Annotated[int, Query(ge=1, le=MAX_ANSWERS)] = 100,
    ) -> list[PhotoAnswer]:
        """Return the photos of one class that were answered with one class, the surest first.

        404 if training did not make the version.
        """
        version = await find(model, number)
        return (await asyncio.to_thread(_answers, version, label, answered))[:count]

    async def set_pinned(
        request: Request, model: str, number: int, by: str, *, pinned: bool
    ) -> VersionSummary:
        person = checked_person(by, caller_name(request.scope))
        version = await find(model, number)
        before = await asyncio.to_thread(repository.settings, version.model)
        change = partial(ModelSettings.with_pin, number=number, pinned=pinned)
        await asyncio.to_thread(repository.change_settings, version.model, change)
        if pinned != (number in before.pinned):
            await note(version, AuditAction.PINNED if pinned else AuditAction.UNPINNED, person)
        broker.publish(Event("models", version.model))
        return await catalog.version(version.model, number)

    async def note(version: Version, what: AuditAction, by: str) -> None:
        """Record what was done; if that is not possible, it is done all the same."""
        try:
            await store.kept_versions.record(version.model, version.number, what, by)
        except BackendError as error:
            done = f"Version {version.number} of {version.model} was {what.value}"
            _log.error("%s, which could not be recorded: %s", done, error)

    async def find(model: str, number: int) -> Version:
        name = await names.find(model)
        try:
            return await asyncio.to_thread(repository.version, name, number)
        except ModelError as error:
            raise HttpError(404, error.what, error.advice) from error

    return router


def _answers(version: Version, label: str, answered: str) -> list[PhotoAnswer]:
    try:
        found = read_answers(version.path, label, answered)
    except UnreadableFile as error:
        raise ModelError(
            f"What version {version.number} of {version.model} was measured on cannot be read.",
            "Train again to make a version with a new report.",
        ) from error
    if found is not None:
        return found
    # An older Servery kept the mistakes alone.
    return [
        PhotoAnswer(each.image, each.label, each.answered, each.score)
        for each in _report(version).mistakes
        if (each.label, each.answered) == (label, answered)
    ]


def _report(version: Version) -> EvaluationReport:
    try:
        raw = read_object(version.path / REPORT_PATH, MAX_REPORT_BYTES)
        if raw is not None:
            return decode(EvaluationReport, raw)
    except (UnreadableFile, ValueError) as error:
        raise ModelError(
            f"The report of version {version.number} of {version.model} cannot be read.",
            "Train again to make a version with a new one.",
        ) from error
    raise HttpError(
        404,
        f"Version {version.number} of {version.model} has no report.",
        "Only versions that training made have one.",
    )
