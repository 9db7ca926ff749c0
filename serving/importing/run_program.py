"""Runs the program that reads models of others, and puts what it wrote into a repository.

Nothing here imports TensorFlow. Cancelling a call ends the program and removes what it wrote; if
this process is killed, the program ends with it, and the next start removes the rest.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from serving.background import finish
from serving.clock import utc_now
from serving.errors import ModelError, storage_error
from serving.files import flush_tree
from serving.importing.interface import (
    ImportRequest,
    ModelInspection,
    Preview,
    ProgramRequest,
    Task,
)
from serving.job_program import JobEnded, run_job
from serving.json_decode import decode
from serving.models.checksums import write_checksums
from serving.models.model_folders import add_model, check_free
from serving.models.model_names import checked_model_name
from serving.models.model_settings import ModelSettings
from serving.models.repository import ModelRepository
from serving.models.staging import staging_name
from serving.models.version import Version
from serving.models.version_trust import trust_version
from serving.progress import Report, no_report

PROGRAM = "serving.importing.program"
MAX_SECONDS = 3600.0
"""After so long the program is ended, whatever it does."""
_SCRATCH, _VERSIONS = "scratch", "versions"


class ImportRefused(ModelError):
    """What a path holds cannot be imported as it was asked for."""


async def inspect_model(
    repository: ModelRepository, request: ImportRequest, report: Report = no_report
) -> ModelInspection:
    """Say what a path holds and what stands in the way of importing it.

    Raises ImportRefused for what is no model at all.
    """
    async with _staging(repository) as folder:
        asked = ProgramRequest(Task.INSPECT, request, str(folder / _SCRATCH))
        return decode(ModelInspection, await _run(asked, report))


async def preview_model(
    repository: ModelRepository,
    request: ImportRequest,
    photos: Sequence[Path],
    report: Report = no_report,
) -> list[Preview]:
    """Return what the model would answer for photos, files that Servery reads.

    Raises ImportRefused; a photo that cannot be read costs only itself.
    """
    async with _staging(repository) as folder:
        names = tuple(map(str, photos))
        asked = ProgramRequest(Task.PREVIEW, request, str(folder / _SCRATCH), names)
        return decode(list[Preview], await _run(asked, report))


async def import_model(
    repository: ModelRepository,
    name: str,
    request: ImportRequest,
    photos: Sequence[Path] = (),
    report: Report = no_report,
) -> Version:
    """Bring a model in under a new name, and return its live version.

    It is compared with the original on `photos`, or on generated ones. No instance serves it by
    that. Raises ModelNameError, ImportRefused with the reason why it cannot be imported, and
    ModelError if the name is taken or the disk is full.
    """
    name = checked_model_name(name)
    # Here, too: reading a model takes a while.
    await asyncio.to_thread(check_free, repository, name)
    async with _staging(repository) as folder:
        versions = folder / _VERSIONS
        await asyncio.to_thread(versions.mkdir)
        asked = ProgramRequest(
            Task.WRITE,
            request,
            str(folder / _SCRATCH),
            tuple(map(str, photos)),
            str(versions),
            name,
        )
        answer = await _run(asked, report)
        unsafe = {int(number) for number, parts in answer["unsafe_operations"].items() if parts}
        settings = ModelSettings(created=utc_now(), photo_milliseconds=answer["milliseconds"])
        # Not half-way: the folder is renamed in a thread, which nothing stops.
        return await finish(
            asyncio.to_thread(_add_model, repository, name, versions, settings, unsafe)
        )


def _add_model(
    repository: ModelRepository,
    name: str,
    versions: Path,
    settings: ModelSettings,
    unsafe: set[int],
) -> Version:
    """Make a folder with versions a model, the newest of them live."""
    numbers = sorted(int(each.name) for each in versions.iterdir())
    with repository.files.disk_errors():
        for number in numbers:
            write_checksums(versions / str(number))
        flush_tree(versions)
    add_model(repository, name, versions, settings, numbers[-1])
    for number in unsafe:
        trust_version(repository, name, number)
    return repository.promote(name, numbers[-1])


@asynccontextmanager
async def _staging(repository: ModelRepository) -> AsyncIterator[Path]:
    """Yield a folder beside the models, on their file system; it is removed at the end."""
    folder = repository.root / staging_name()
    try:
        await asyncio.to_thread((folder / _SCRATCH).mkdir, parents=True)
        yield folder
    except OSError as error:
        what = "The model could not be stored"
        raise storage_error(error, repository.root, what, ModelError) from error
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _run(request: ProgramRequest, report: Report) -> Any:
    """Return the answer of the program; no process is left afterwards. Raises ImportRefused."""
    try:
        async with asyncio.timeout(MAX_SECONDS):
            return await run_job(
                PROGRAM,
                json.dumps(asdict(request)),
                "The program that reads models",
                {
                    "TF_CPP_MIN_LOG_LEVEL": "2",
                    "CUDA_VISIBLE_DEVICES": "-1",
                    "KERAS_BACKEND": "tensorflow",
                    "TMPDIR": request.scratch,
                },
                report,
            )
    except TimeoutError:
        raise ImportRefused(
            "Reading the model took more than an hour and was ended.", "Choose a smaller model."
        ) from None
    except JobEnded as error:
        raise _ended(error.code) from error
    except ModelError as error:
        raise ImportRefused(error.what, error.advice) from error


def _ended(code: int | None) -> ImportRefused:
    if code == -signal.SIGKILL:
        advice = "The system ends a program so when memory runs out: close others, then try again."
    elif code == -signal.SIGXCPU:
        advice = "It computed for too long. Choose a smaller model."
    else:
        advice = "The file may be damaged, or need more memory than is allowed."
    return ImportRefused("The program that reads the model ended unexpectedly.", advice)
