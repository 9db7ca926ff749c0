"""`servery classify`: the scores of image files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from desktop.commands import options
from desktop.commands.connections import open_fleet
from desktop.commands.terminal import ProgressLine, print_json, say
from desktop.formats import percent, plural
from serving.engines.protocol import InstanceState
from serving.errors import FleetUnavailable, ServeryError
from serving.fleet.fleet import Fleet
from serving.normalize_image import read_normalized_image
from serving.predict.client import PredictClient
from serving.predict.prediction import Prediction
from serving.progress import Report
from serving.workspace import Workspace

AT_ONCE = 16
"""Files that are read and sent at the same time."""
START_TIMEOUT_SECONDS = 120.0
"""How long to wait for an instance that is starting."""


@dataclass(frozen=True)
class Answer:
    """What came of one file: a prediction, or why there is none."""

    file: Path
    prediction: Prediction | None = None
    error: ServeryError | None = None


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@click.option(
    "--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes shown."
)
@click.option("--start", is_flag=True, help="Start an instance where none runs; it runs on.")
@options.model
@options.engine
@options.as_json
@click.pass_context
def classify(
    context: click.Context,
    files: Sequence[Path],
    top: int,
    start: bool,
    model: str,
    engine: str,
    as_json: bool,
) -> None:
    """Say what images show, best class first.

    A file that cannot be classified is named on stderr, and the exit code is then 1.
    """
    answers = asyncio.run(_classify_all(context.obj, files, model, engine, start))
    if as_json:
        print_json([_as_json(answer) for answer in answers])
    else:
        for answer in answers:
            if answer.prediction is not None:
                best = answer.prediction.scores[:top]
                click.echo(
                    f"{answer.file}: " + ", ".join(f"{s.name} {percent(s.score)}" for s in best)
                )
    failed = [answer for answer in answers if answer.error is not None]
    for answer in failed:
        say(f"{answer.file}: {answer.error}")
    if failed:
        context.exit(1)


async def _classify_all(
    workspace: Workspace, files: Sequence[Path], model: str, engine: str, start: bool
) -> list[Answer]:
    async with open_fleet(workspace, model, engine) as (fleet, client):
        with ProgressLine() as report:
            await _have_instance(fleet, start, report)
            async with _watched(fleet):
                return await _answers(client, files, report)


async def _have_instance(fleet: Fleet, start: bool, report: Report) -> None:
    """Return once an instance is ready; raises FleetUnavailable where none will be."""
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
        await asyncio.sleep(0.2)
        view = await fleet.observe()


@asynccontextmanager
async def _watched(fleet: Fleet) -> AsyncIterator[None]:
    """Keep the client's ready instances up to date meanwhile."""
    watching = asyncio.create_task(fleet.watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _answers(client: PredictClient, files: Sequence[Path], report: Report) -> list[Answer]:
    slots = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(file: Path) -> Answer:
        nonlocal done
        async with slots:
            answer = await _answer(client, file)
        done += 1
        report(done, len(files), f"Classifying {plural(len(files), 'file')}")
        return answer

    return await asyncio.gather(*(one(file) for file in files))


async def _answer(client: PredictClient, file: Path) -> Answer:
    try:
        jpeg = await asyncio.to_thread(read_normalized_image, file)
        return Answer(file, prediction=await client.classify(jpeg))
    except ServeryError as error:
        return Answer(file, error=error)


def _as_json(answer: Answer) -> dict[str, Any]:
    if answer.error is not None:
        return {
            "file": str(answer.file),
            "error": answer.error.what,
            "advice": answer.error.advice,
        }
    assert answer.prediction is not None
    return {"file": str(answer.file), **asdict(answer.prediction)}
