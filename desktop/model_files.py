"""Exports of versions and imports of exported ones, whichever way in asks; knows no Qt."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from backend.client import BackendClient
from backend.contract import ModelFileJob, NewExport, RunState
from desktop.formats import plural, size
from desktop.translation import tr, tr_number
from serving.errors import BackendError, ModelError
from serving.exporting.formats import ExportFormat
from serving.progress import Report

_POLL_SECONDS = 0.3


async def export_version(
    backend: BackendClient, model: str, number: int, new: NewExport, report: Report
) -> ModelFileJob:
    """Export a version and return what came of it, once it is there.

    Cancelling this cancels the export, of which nothing is left then. Raises ModelError if it
    failed, CancelledError if it was cancelled elsewhere, and BackendError; that is a
    BackendRefused of status 409 if there is something in its place.
    """
    report(0, 0, tr("Asking the backend"))
    return await _to_its_end(backend, await backend.export_version(model, number, new), report)


async def import_archive(
    backend: BackendClient, file: Path, name: str, report: Report
) -> ModelFileJob:
    """Make a model of a zip file that another Servery exported, and return what came of it.

    An empty `name` is that of the exported one. Raises and is cancelled as `export_version`.
    """
    report(0, 0, tr("Asking the backend"))
    return await _to_its_end(backend, await backend.import_archive(file, name), report)


def export_sentence(done: ModelFileJob, kind: ExportFormat) -> str:
    """Say what an export wrote, and how it was checked."""
    labels, photos = plural(done.labels, "label"), plural(done.photos, "photo")
    known = {
        "version": done.version,
        "model": done.model,
        "path": done.path,
        "size": size(done.bytes),
    }
    if kind is ExportFormat.SERVERY and done.photos:
        return tr(
            "Version {version} of {model} is in {path}, with {labels}, {photos}, {size}.",
            labels=labels,
            photos=photos,
            **known,
        )
    if kind is ExportFormat.SERVERY:
        return tr(
            "Version {version} of {model} is in {path}, with {labels}, {size}.",
            labels=labels,
            **known,
        )
    what = tr("Version {version} of {model} is in {path}, {size}.", **known)
    if not done.photos:
        return what
    if not done.largest_difference:
        return f"{what} " + tr("Its scores of {photos} are the version's.", photos=photos)
    return f"{what} " + tr(
        "Its scores differ from the version's by at most {difference} on {photos}.",
        difference=tr_number(f"{done.largest_difference:.1g}"),
        photos=photos,
    )


def import_sentence(done: ModelFileJob) -> str:
    """Say what an import made, and what cannot be learned from."""
    text = tr(
        "{model} is there, with {labels}.", model=done.model, labels=plural(done.labels, "label")
    )
    if done.without_embedding:
        text += " " + tr(
            "{photos} came without what it is learned from, so training leaves them out.",
            photos=plural(done.without_embedding, "labelled photo"),
        )
    return text


async def _to_its_end(backend: BackendClient, job: ModelFileJob, report: Report) -> ModelFileJob:
    try:
        while not job.state.finished:
            report(job.done, 100, job.step)
            await asyncio.sleep(_POLL_SECONDS)
            job = await backend.model_file_job(job.id)
    except asyncio.CancelledError:
        with contextlib.suppress(BackendError):
            await backend.cancel_model_file_job(job.id)
        raise
    if job.state is RunState.CANCELLED:
        raise asyncio.CancelledError
    if job.state is RunState.FAILED:
        raise ModelError(job.step, job.advice)
    return job
