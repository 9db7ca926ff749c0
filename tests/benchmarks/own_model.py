"""Makes a model of one's own from a folder, through the whole product, and measures it.

    python -m tests.benchmarks.own_model --data FOLDER [--backbone NAME] [--keep-classes]

FOLDER has a folder of photos for each class, or such folders in `train` and `test`. The
benchmark starts `servery serve` with one instance on a new workspace, makes a model on the
backbone, imports the folder, and serves the model. The clock starts before the model is
made and stops when an instance has answered a photo with the version that was learned.
Then every photo of the test part is posted. Where there is a test part, a second model
learns from the training part alone, to be measured by cross-validation.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from backend.client import BackendClient
from backend.contract import EvaluationReport, NewModel, RunState, TrainingRun
from serving.models.builtin.catalog import DEFAULT_BUILT_IN
from serving.photo_folder import FolderPhoto, scan_photo_folder
from tests.benchmarks.service import service

POLL_SECONDS = 0.05
CALLERS = 4


@dataclass
class Made:
    """A model that was made from a folder, and how long that took."""

    run: TrainingRun
    report: EvaluationReport
    seconds: float
    phases: dict[str, float] = field(default_factory=dict)
    """The first word of what the run was doing, and the seconds it took."""


async def make(client: BackendClient, new: NewModel, folder: Path, photo: Path) -> Made:
    """Make a model from `folder`, and wait until it answers `photo` with what it learned."""
    started = time.monotonic()
    await client.create_model(new)
    run = await client.import_folder(new.name, folder)
    # Meanwhile the instances load the network, so that the new version is only a reload.
    serving = asyncio.create_task(client.serve_model(new.name))
    phases: dict[str, float] = {}
    while not run.state.finished:
        before = time.monotonic()
        await asyncio.sleep(POLL_SECONDS)
        run = await client.training_run(run.id)
        phase = run.step.split()[0].rstrip(".")
        phases[phase] = phases.get(phase, 0.0) + time.monotonic() - before
    if run.state is not RunState.SUCCEEDED or run.version is None:
        raise SystemExit(f"The import failed: {run.step}")
    if not run.promoted:
        raise SystemExit(f"Version {run.version} was held back: {run.step}")
    await serving
    jpeg = await asyncio.to_thread(photo.read_bytes)
    version = 0
    while version != run.version:
        await asyncio.sleep(POLL_SECONDS)
        version = (await client.classify(jpeg, new.name)).version
    seconds = time.monotonic() - started
    return Made(run, await client.report(new.name, run.version), seconds, phases)


async def posted_accuracy(client: BackendClient, model: str, photos: list[FolderPhoto]) -> float:
    """Return the share of `photos` that the fleet answers with their class."""
    right = 0
    waiting = list(photos)

    async def call() -> None:
        nonlocal right
        while waiting:
            photo = waiting.pop()
            jpeg = await asyncio.to_thread(photo.path.read_bytes)
            scores = (await client.classify(jpeg, model)).scores
            right += bool(scores) and scores[0].name == photo.class_name

    await asyncio.gather(*(call() for _ in range(CALLERS)))
    return right / len(photos)


async def measure(arguments: argparse.Namespace) -> None:
    data: Path = arguments.data.resolve()
    folder = scan_photo_folder(data)
    test = [photo for photo in folder.photos if photo.held_out]
    first = folder.photos[0].path
    keeps: bool = arguments.keep_classes
    with tempfile.TemporaryDirectory(prefix="servery-own-model-") as workspace:
        async with service(workspace, arguments.instances, "--engine", "process") as client:
            new = NewModel("own", arguments.backbone, keep_classes=keeps)
            made = await make(client, new, data, first)
            count = len(folder.photos)
            print(f"photos                    {count:10,}  ({len(made.report.skipped)} skipped)")
            print(f"classes                   {len(folder.classes):10,}")
            print(f"seconds to live           {made.seconds:10.1f}")
            for phase, seconds in made.phases.items():
                print(f"  {phase:<24}{seconds:10.1f}")
            print(f"photos a second           {count / made.seconds:10.1f}")
            _print_accuracy(made.report)
            if test:
                share = await posted_accuracy(client, "own", test)
                print(f"posted test photos right  {100 * share:10.1f}%  of {len(test):,}")
                trained = next(photo.path for photo in folder.photos if not photo.held_out)
                part = trained.relative_to(folder.root).parts[0]
                only = NewModel("own, training part", arguments.backbone, keep_classes=keeps)
                again = await make(client, only, folder.root / part, first)
                _print_accuracy(again.report)
                print(f"seconds, photos known     {again.seconds:10.1f}")


def _print_accuracy(report: EvaluationReport) -> None:
    assert report.accuracy is not None
    assert report.accuracy_error is not None
    share, error = 100 * report.accuracy, 100 * report.accuracy_error
    print(f"{report.method:<26}{share:10.1f}%  ± {error:.1f}, of {report.photos:,} photos")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--backbone", default=DEFAULT_BUILT_IN, help="default: %(default)s")
    parser.add_argument("--keep-classes", action="store_true", help="beside the backbone's classes")
    parser.add_argument("--instances", type=int, default=1, help="default: %(default)s")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
