"""Makes a model of the workspace from one of the catalogue."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from serving.catalogue.download import DownloadFailed, FileDownload, download, matches
from serving.catalogue.models import ORIGIN, CatalogueModel, catalogue_model
from serving.errors import ModelError
from serving.importing.interface import Corrections, ImportRequest, KerasApplication, Resize
from serving.importing.run_program import import_model
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.progress import Report, no_report

MIRROR_VARIABLE = "SERVERY_MODEL_MIRROR"
_DOWNLOAD_SHARE = 80
"""Percent of the work that the download is, as people are told."""
_MAX_SIZE_RATIO = 1.3
"""A file of weights is little longer than four bytes a parameter."""


async def add_catalogue_model(
    repository: ModelRepository,
    downloads: Path,
    name: str,
    report: Report = no_report,
    mirror: str = "",
) -> Version:
    """Make sure that a model of the catalogue is in the repository; return its live version.

    Its weights come from Keras's folder if they are there (`KERAS_HOME`), otherwise from `mirror`,
    the address in `SERVERY_MODEL_MIRROR`, or their authors. What came of a download that ended
    early stays in `downloads`. No instance serves the model by that. Raises ModelError.
    """
    model = catalogue_model(name)
    if repository.versions(name):
        return repository.live(name)
    kept = keras_folder() / model.file_name
    if await asyncio.to_thread(_is_usable, kept, model.checksum):
        return await _add(repository, model, kept, report)
    weights = downloads / model.file_name
    address = mirror or os.environ.get(MIRROR_VARIABLE, "")
    await _fetch(model, weights, address, _part(report, 0, _DOWNLOAD_SHARE))
    try:
        version = await _add(repository, model, weights, _part(report, _DOWNLOAD_SHARE, 100))
    except ModelError:
        # With the right checksum it is not the file's fault: it need not come a second time.
        if not model.checksum:
            weights.unlink(missing_ok=True)
        raise
    weights.unlink(missing_ok=True)
    return version


def keras_folder() -> Path:
    """Return where Keras keeps weights that it downloaded."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def _part(report: Report, begin: int, end: int) -> Report:
    """Return what reports work as the part from `begin` to `end` of 100."""

    def report_part(done: int, total: int, text: str) -> None:
        share = done / total if total else 0
        report(round(begin + share * (end - begin)), 100, text)

    return report_part


def _is_usable(path: Path, checksum: str) -> bool:
    """Say whether a person's own copy of the weights can be taken.

    One that Keras left half downloaded has another checksum.
    """
    try:
        return path.is_file() and (not checksum or matches(path, checksum))
    except OSError:
        return False


async def _fetch(model: CatalogueModel, weights: Path, mirror: str, report: Report) -> None:
    request = FileDownload(
        what=f"The weights of {model.title}",
        url=f"{(mirror or ORIGIN).rstrip('/')}/{model.path}",
        checksum=model.checksum,
        max_bytes=round(_MAX_SIZE_RATIO * model.size),
    )
    try:
        await download(request, weights, report)
    except DownloadFailed as error:
        advice = (
            f"{error.advice} Or name a mirror in {MIRROR_VARIABLE}, or put {model.file_name} into"
            f" {keras_folder()}. Built-in models need no network."
        )
        raise DownloadFailed(error.what, advice) from error


async def _add(
    repository: ModelRepository, model: CatalogueModel, weights: Path, report: Report
) -> Version:
    application = KerasApplication(
        architecture=model.architecture,
        value_range=model.value_range,
        channels=model.channels,
        description=f"{model.title}: a thousand classes. {model.description}",
        licence=model.licence,
        attribution=(
            f"{model.title} by {model.authors}, trained on ImageNet; weights from Keras"
            " Applications. Changed for Servery: batch normalization folded, decoding and resizing"
            " put into the graph, some classes renamed."
        ),
        # Where Keras publishes no checksum, nobody can tell whether these are its weights.
        accuracy=model.accuracy if model.checksum else None,
    )
    corrections = Corrections(
        value_range=model.value_range,
        channels=model.channels,
        resize=Resize.CROP,
        height=model.side,
        width=model.side,
    )
    request = ImportRequest(str(weights), corrections=corrections, application=application)
    return await import_model(repository, model.name, request, report=report)
