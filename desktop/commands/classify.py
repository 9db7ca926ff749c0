"""`servery classify`: the scores of image files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from desktop.classify.classify_images import Predict, classify_images
from desktop.commands import options, photo_files
from desktop.commands.models.output import no_classes_yet
from desktop.commands.options import FleetTarget
from desktop.commands.photo_files import PhotoFiles
from desktop.commands.terminal import ProgressLine, print_json, print_line, print_message
from desktop.formats import percent
from serving.background import cancel_and_wait, in_background
from serving.engines.protocol import InstanceState
from serving.errors import FleetUnavailable, ServeryError
from serving.fleet.fleet import Fleet
from serving.predict.prediction import Prediction
from serving.progress import Report

START_TIMEOUT_SECONDS = 120.0
"""How long to wait for an instance that is starting."""
POLL_SECONDS = 0.2

Result = Prediction | ServeryError


@click.command()
@photo_files.argument
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Number of classes to print for each image.",
)
@click.option(
    "--start", is_flag=True, help="Start an instance if none is running, and leave it running."
)
@options.model
@options.fleet
@options.as_json
def classify(
    target: FleetTarget,
    files: Sequence[str],
    top: int,
    start: bool,
    model: str | None,
    as_json: bool,
) -> None:
    """Classify images and print the best classes of each.

    Each is printed as soon as it is answered. FILE may be - for standard input. A file that
    cannot be classified is reported on stderr; the exit code is then 1. JSON comes at the end,
    in the order of the files.
    """
    photos = PhotoFiles(files)
    progress = ProgressLine()
    results: dict[Path, Result] = {}

    def show(photo: Path, result: Result) -> None:
        results[photo] = result
        progress.erase()
        if isinstance(result, ServeryError):
            print_message(f"{photos.word(photo)}: {result}")
        elif not as_json:
            best = (f"{score.name} {percent(score.score)}" for score in result.scores[:top])
            mark = " (unsure)" if result.is_unsure() else ""
            print_line(f"{photos.word(photo)}: {', '.join(best) or '-'}{mark}")

    asyncio.run(_classify_all(target, photos, model, start, show, progress))
    if as_json:
        print_json([_as_json(photos.word(photo), results[photo]) for photo in photos.paths])
    answers = [result for result in results.values() if isinstance(result, Prediction)]
    for name in sorted({answer.model for answer in answers if not answer.scores and not as_json}):
        print_message(no_classes_yet(name))
    if len(answers) < len(results):
        raise click.exceptions.Exit(1)


async def _classify_all(
    target: FleetTarget,
    photos: PhotoFiles,
    model: str | None,
    start: bool,
    show: Callable[[Path, Result], None],
    progress: ProgressLine,
) -> None:
    async with target.open() as (fleet, client):
        client.served_name(model)  # One sentence if it is not served, rather than one a file.
        with progress as report:
            await _wait_for_instance(fleet, start, report)
            # The client answers from the instances that are ready, so it has to be kept up to date.
            async with in_background(fleet.watch(), name="watch the fleet"):
                predict = partial(client.classify, model=model)
                await _show_answers(photos, predict, show, report)


async def _show_answers(
    photos: PhotoFiles, predict: Predict, show: Callable[[Path, Result], None], report: Report
) -> None:
    """Call `show` for each photo as it is answered; what that raises ends the work."""
    answers: asyncio.Queue[tuple[Path, Result] | None] = asyncio.Queue()

    def put(photo: Path, result: Result) -> None:
        answers.put_nowait((photo, result))

    async def work() -> None:
        try:
            await classify_images(photos.paths, predict, put, report, read=photos.read)
        finally:
            answers.put_nowait(None)

    # Shown here and not where the answers come from: an error there would be one of a group.
    working = asyncio.create_task(work())
    try:
        while (answer := await answers.get()) is not None:
            show(*answer)
        await working
    finally:
        await cancel_and_wait(working)


async def _wait_for_instance(fleet: Fleet, start: bool, report: Report) -> None:
    """Return once an instance is ready; raise FleetUnavailable if none is starting."""
    view = await fleet.observe()
    if not view.ready and start:
        await fleet.scale(max(1, view.desired_count), report)
        view = await fleet.observe()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_TIMEOUT_SECONDS
    while not view.ready:
        starting = any(one.state is InstanceState.STARTING for one in view.instances)
        if not starting or loop.time() > deadline:
            raise FleetUnavailable(
                "No instance is running.",
                "Start one with `servery fleet start`, or add --start to this command.",
            )
        report(0, 0, "Waiting for the instance that is starting")
        await asyncio.sleep(POLL_SECONDS)
        view = await fleet.observe()


def _as_json(file: str, result: Result) -> dict[str, Any]:
    if isinstance(result, ServeryError):
        return {"file": file, "error": result.what, "advice": result.advice}
    record = {"file": file, **asdict(result), "unsure": result.is_unsure()}
    del record["embedding"]  # never asked for here
    return record
