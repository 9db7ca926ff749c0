"""`servery classify`: the scores of image files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import click

from desktop.classify.classify_images import MAX_CONCURRENCY, Predict, classify_images
from desktop.classify.write_answers import WrittenAnswers, answer_of, write_answers
from desktop.commands import options, photo_files
from desktop.commands.classify_explain import (
    ExplainedPrediction,
    Explaining,
    explanation_record,
    print_explanation,
)
from desktop.commands.classify_watch import show_arrivals
from desktop.commands.models.output import no_classes_yet
from desktop.commands.options import FleetTarget
from desktop.commands.photo_files import PhotoFiles
from desktop.commands.terminal import (
    ProgressLine,
    print_json,
    print_json_lines,
    print_line,
    print_message,
)
from desktop.formats import percent, plural
from serving.background import cancel_and_wait, in_background
from serving.engines.protocol import InstanceState
from serving.errors import FleetUnavailable, ServeryError
from serving.fleet.fleet import Fleet
from serving.photo_metadata.write import MetadataPlace
from serving.predict.client import PredictClient
from serving.predict.prediction import Prediction
from serving.progress import Report, no_report

START_TIMEOUT_SECONDS = 120.0
"""How long to wait for an instance that is starting."""
POLL_SECONDS = 0.2

Result = Prediction | ServeryError


@click.command()
@photo_files.optional_argument
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
@click.option(
    "--write-metadata",
    "place",
    type=click.Choice([place.value for place in MetadataPlace]),
    help="Write each best class as a keyword: into an XMP file beside the photo, into a copy of"
    " it, or into the photo itself.",
)
@click.option(
    "--metadata-folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where copies are written, or XMP files if not beside the photos.",
)
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    metavar="SCORE",
    help="Write no class whose score, from 0 to 1, is lower.",
)
@click.option(
    "--watch",
    "watched",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Classify the photos in a folder and those that arrive in it, until Ctrl+C; may be given"
    " several times.",
)
@click.option("--write-unsure", is_flag=True, help="Write answers that are unsure, too.")
@click.option(
    "--explain",
    is_flag=True,
    help="Say which parts of each photo its best class depends on; asks about each 43 times.",
)
@click.option("--explain-class", metavar="CLASS", help="Explain this class, not the best one.")
@click.option(
    "--explain-image",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.png",
    help="Write the photo with the parts that count in color, as the window shows them.",
)
@options.model
@options.fleet
@options.as_json_lines
def classify(
    target: FleetTarget,
    files: Sequence[str],
    top: int,
    start: bool,
    place: str | None,
    metadata_folder: Path | None,
    min_score: float | None,
    write_unsure: bool,
    explain: bool,
    explain_class: str | None,
    explain_image: Path | None,
    watched: Sequence[Path],
    model: str | None,
    as_json: bool,
) -> None:
    """Classify images and print the best classes of each.

    Each is printed as soon as it is answered, with --write-metadata once all are written. FILE
    may be - for standard input. A file that cannot be classified is reported on stderr; the exit
    code is then 1.
    """
    writing = _Writing.checked(place, metadata_folder, min_score, write_unsure)
    if watched:
        if files or writing or explain or explain_class or explain_image:
            raise click.UsageError(
                "--watch goes with neither FILE nor --write-metadata nor --explain."
            )
        _watch(target, watched, top, model, start, as_json)
        return
    if not files:
        raise click.UsageError("Name a photo, - for standard input, or a folder with --watch.")
    explaining = Explaining.checked(explain, explain_class, explain_image, len(files))
    photos = PhotoFiles(files)
    progress = ProgressLine()
    results: dict[Path, Result] = {}
    failed_images: list[ServeryError] = []

    def show(photo: Path, result: Result) -> None:
        results[photo] = result
        progress.erase()
        if isinstance(result, ServeryError):
            print_message(f"{photos.word(photo)}: {result}")
        elif not as_json:
            print_line(f"{photos.word(photo)}: {_best(result, top)}")
        if explaining and isinstance(result, ExplainedPrediction):
            if not as_json:
                print_explanation(result)
            try:
                explaining.write_image(result)
            except ServeryError as error:
                failed_images.append(error)
                print_message(str(error))
        if as_json and not writing:  # else it has yet to be known which file was written
            print_json(_as_json(photos.word(photo), result, None))

    async def answer(client: PredictClient, report: Report) -> None:
        predict: Predict = partial(client.classify, model=model)
        if explaining is None:
            await _show_answers(photos, predict, show, report)
            return

        async def of_version(jpeg: bytes, name: str, version: int) -> Prediction:
            return await client.classify(jpeg, name, version=version)

        predict = explaining.predict(predict, of_version, report, len(photos.paths))
        # One at a time: each keeps every instance busy.
        await _show_answers(photos, predict, show, no_report, max_concurrency=1)

    asyncio.run(_with_fleet(target, model, start, progress, answer))
    # In the order of the command line: copies of the same name are numbered in it.
    results = {photo: results[photo] for photo in photos.paths}
    written = _write(photos, results, writing) if writing else WrittenAnswers()
    if as_json and writing:
        print_json_lines(
            _as_json(photos.word(photo), result, written.files.get(photo))
            for photo, result in results.items()
        )
    answers = [result for result in results.values() if isinstance(result, Prediction)]
    for name in sorted({answer.model for answer in answers if not answer.scores and not as_json}):
        print_message(no_classes_yet(name))
    if len(answers) < len(results) or written.failed or failed_images:
        raise click.exceptions.Exit(1)


def _best(result: Prediction, top: int) -> str:
    best = (f"{score.name} {percent(score.score)}" for score in result.scores[:top])
    return f"{', '.join(best) or '-'}{' (unsure)' if result.is_unsure() else ''}"


def _watch(
    target: FleetTarget,
    folders: Sequence[Path],
    top: int,
    model: str | None,
    start: bool,
    as_json: bool,
) -> None:
    """Print each answer of what arrives in folders, until Ctrl+C."""

    def show(photo: Path, result: Result) -> None:
        if as_json:
            print_json(_as_json(str(photo), result, None))
        elif isinstance(result, ServeryError):
            print_message(f"{photo}: {result}")
        else:
            print_line(f"{photo}: {_best(result, top)}")

    async def answer(client: PredictClient, _: Report) -> None:
        await show_arrivals(folders, partial(client.classify, model=model), show)

    asyncio.run(_with_fleet(target, model, start, ProgressLine(), answer))


@dataclass(frozen=True)
class _Writing:
    """Where answers are written, and which."""

    place: MetadataPlace
    folder: Path | None
    min_score: float
    unsure: bool

    @classmethod
    def checked(
        cls, place: str | None, folder: Path | None, min_score: float | None, unsure: bool
    ) -> _Writing | None:
        """Return what the options say; None if nothing is written. Raises click.UsageError."""
        if place is None:
            for option, value in (
                ("--metadata-folder", folder is not None),
                ("--min-score", min_score is not None),
                ("--write-unsure", unsure),
            ):
                if value:
                    raise click.UsageError(f"{option} needs --write-metadata.")
            return None
        if place == MetadataPlace.COPY and folder is None:
            raise click.UsageError("Name a folder for the copies with --metadata-folder.")
        if place == MetadataPlace.ORIGINAL and folder is not None:
            raise click.UsageError("Originals are written where they are: leave out the folder.")
        return cls(MetadataPlace(place), folder, min_score or 0.0, unsure)


def _write(photos: PhotoFiles, results: Mapping[Path, Result], writing: _Writing) -> WrittenAnswers:
    """Write the answers into metadata, and say on stderr what became of them."""
    answers = {
        photo: answer_of(result, min_score=writing.min_score, with_unsure=writing.unsure)
        for photo, result in results.items()
        if isinstance(result, Prediction) and not photos.is_standard_input(photo)
    }
    sure = {photo: answer for photo, answer in answers.items() if answer is not None}
    with ProgressLine() as report:
        written = asyncio.run(
            write_answers(sure, writing.place, writing.folder, report, photos=photos.paths)
        )
    for photo, error in written.failed.items():
        print_message(f"{photos.word(photo)}: the answer was not written. {error}")
    if any(photos.is_standard_input(photo) for photo in results):
        print_message("The photo of standard input is no file, so nothing was written for it.")
    print_message(f"{plural(len(written.files), 'answer')} written ({writing.place}).")
    if unsure := len(answers) - len(sure):
        print_message(f"{plural(unsure, 'answer')} not written: unsure, or of too low a score.")
    return written


async def _with_fleet(
    target: FleetTarget,
    model: str | None,
    start: bool,
    progress: ProgressLine,
    answer: Callable[[PredictClient, Report], Awaitable[None]],
) -> None:
    """Call `answer` once an instance can answer, with what does."""
    async with target.open() as (fleet, client):
        client.served_name(model)  # One sentence if it is not served, rather than one a file.
        with progress as report:
            await _wait_for_instance(fleet, start, report)
            # The client answers from the instances that are ready, so it has to be kept up to date.
            async with in_background(fleet.watch(), name="watch the fleet"):
                await answer(client, report)


async def _show_answers(
    photos: PhotoFiles,
    predict: Predict,
    show: Callable[[Path, Result], None],
    report: Report,
    *,
    max_concurrency: int = MAX_CONCURRENCY,
) -> None:
    """Call `show` for each photo as it is answered; what that raises ends the work."""
    answers: asyncio.Queue[tuple[Path, Result] | None] = asyncio.Queue()

    def put(photo: Path, result: Result) -> None:
        answers.put_nowait((photo, result))

    async def work() -> None:
        try:
            await classify_images(
                photos.paths,
                predict,
                put,
                report,
                read=photos.read,
                max_concurrency=max_concurrency,
            )
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
    if not view.can_answer and start:
        await fleet.scale(max(1, view.desired_count), report)
        view = await fleet.observe()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_TIMEOUT_SECONDS
    while not view.can_answer:
        starting = any(one.state is InstanceState.STARTING for one in view.instances_and_attached)
        if not starting or loop.time() > deadline:
            raise FleetUnavailable(
                "No instance is running.",
                "Start one with `servery fleet start`, or add --start to this command.",
            )
        report(0, 0, "Waiting for the instance that is starting")
        await asyncio.sleep(POLL_SECONDS)
        view = await fleet.observe()


def _as_json(file: str, result: Result, metadata: Path | None) -> dict[str, Any]:
    if isinstance(result, ServeryError):
        return {"file": file, "error": result.what, "advice": result.advice}
    answer = {each.name: getattr(result, each.name) for each in fields(Prediction)}
    answer["scores"] = tuple(asdict(score) for score in result.scores)
    del answer["embedding"]  # never asked for here
    record = {"file": file, **answer, "unsure": result.is_unsure()}
    if isinstance(result, ExplainedPrediction):
        record |= explanation_record(result)
    if metadata is not None:
        record["metadata"] = str(metadata)
    return record
