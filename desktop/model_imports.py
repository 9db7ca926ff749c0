"""Follows an import of a model to its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from functools import partial

from backend.client import BackendClient
from backend.contract import ImportState, ModelImport
from desktop.backend_poll import ask_until_answered
from desktop.translation import tr
from serving.errors import BackendError, ModelError
from serving.importing.interface import ModelFormat
from serving.progress import Report

FORMATS = {
    ModelFormat.KERAS: tr("a Keras file"),
    ModelFormat.KERAS_H5: tr("a Keras file in the older form"),
    ModelFormat.SAVED_MODEL: tr("a SavedModel"),
    ModelFormat.SERVING_FOLDER: tr("a model folder of TensorFlow Serving"),
    ModelFormat.TEACHABLE_MACHINE: tr("an export of Teachable Machine"),
    ModelFormat.LOBE: tr("an export of Lobe"),
    ModelFormat.SERVERY_VERSION: tr("a version of Servery"),
}
STEPS = 100
_POLL_SECONDS = 0.3


class ModelNotImported(ModelError):
    """An import failed or was cancelled."""


async def start_and_wait(
    backend: BackendClient, start: Awaitable[ModelImport], report: Report
) -> ModelImport:
    """Start an import and return it once it has succeeded, as `wait_for_import` does.

    One that was being started when this was cancelled is cancelled, too.
    """
    starting = asyncio.ensure_future(start)
    try:
        started = await asyncio.shield(starting)
    except asyncio.CancelledError:
        with contextlib.suppress(BackendError):
            await backend.cancel_model_import((await starting).id)
        raise
    return await wait_for_import(backend, started, report)


async def wait_for_import(
    backend: BackendClient, started: ModelImport, report: Report
) -> ModelImport:
    """Return an import once it has succeeded; raises ModelNotImported with the reason if not.

    Cancelling this cancels the import, of which nothing stays then.
    """
    found = started
    try:
        while not found.state.finished:
            waits = found.state is ImportState.QUEUED
            step = tr("Waiting for another import.") if waits else found.step
            report(round(found.progress * STEPS), STEPS, step)
            await asyncio.sleep(_POLL_SECONDS)
            found = await ask_until_answered(partial(backend.model_import, found.id), _POLL_SECONDS)
    except asyncio.CancelledError:
        with contextlib.suppress(BackendError):
            await backend.cancel_model_import(found.id)
        raise
    if found.state is not ImportState.SUCCEEDED:
        cancelled = found.state is ImportState.CANCELLED
        what = (
            tr("The import of {name} was cancelled.", name=found.name)
            if cancelled
            else tr("The import of {name} failed.", name=found.name)
        )
        raise ModelNotImported(found.error or what, found.advice or tr("Import it again."))
    return found
