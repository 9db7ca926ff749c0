"""What happens when a person gives a model a folder of photos; knows no Qt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from backend.client import BackendClient
from backend.contract import NewModel, TrainingRun
from desktop.training_runs import check_succeeded, wait_for_run
from desktop.translation import tr
from serving.progress import Report


async def learn_from_folder(
    backend: BackendClient,
    model: str | NewModel,
    folder: Path,
    report: Report,
    *,
    closing: Callable[[], bool] = lambda: False,
) -> TrainingRun:
    """Have a model, which is made first if it is a NewModel, learn from `folder`.

    `folder` has one folder a class, or is a zip file of such a folder. Returns the run when it
    has succeeded. Cancelling this cancels the run, and what was read by then stays with the
    model, so that starting again continues. Raises TrainingRunFailed, CancelledError if the
    run was cancelled elsewhere, and BackendError.
    """
    if isinstance(model, NewModel):
        report(0, 0, tr("Making {name}", name=model.name))
        model = (await backend.create_model(model)).name
    send = backend.import_zip if is_archive(folder) else backend.import_folder
    run = await send(model, folder)
    run = await wait_for_run(backend, run, report, closing=closing)
    check_succeeded(run)
    return run


def is_archive(path: Path) -> bool:
    """Whether `path` is a zip file, by its name, rather than a folder."""
    return path.suffix.lower() == ".zip"
