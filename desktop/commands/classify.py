"""`servery classify`: the scores of image files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from desktop.classify.classify_images import classify_images
from desktop.commands import options
from desktop.commands.models.output import no_classes_yet
from desktop.commands.options import FleetTarget
from desktop.commands.terminal import ProgressLine, print_json, print_line, print_message
from desktop.formats import percent
from serving.background import in_background
from serving.engines.protocol import InstanceState
from serving.errors import FleetUnavailable, ServeryError
from serving.fleet.fleet import Fleet
from serving.predict.prediction import Prediction
from serving.progress import Report

START_TIMEOUT_SECONDS = 120.0
"""How long to wait for an instance that is starting."""
POLL_SECONDS = 0.2


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
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
    files: Sequence[Path],
    top: int,
    start: bool,
    model: str | None,
    as_json: bool,
) -> None:
    """Classify images and print the best classes of each.

    A file that cannot be classified is reported on stderr; the exit code is then 1.
    """
    results = asyncio.run(_classify_all(target, files, model, start))
    if as_json:
        print_json([_as_json(file, results[file]) for file in files])
    without_classes: set[str] = set()
    for file in files:
        result = results[file]
        if isinstance(result, ServeryError):
            print_message(f"{file}: {result}")
        elif as_json:
            continue
        elif not result.scores:
            without_classes.add(result.model)
            print_line(f"{file}: -")
        else:
            best = (f"{score.name} {percent(score.score)}" for score in result.scores[:top])
            print_line(f"{file}: {', '.join(best)}")
    for name in without_classes:
        print_message(no_classes_yet(name))
    if any(isinstance(result, ServeryError) for result in results.values()):
        raise click.exceptions.Exit(1)


async def _classify_all(
    target: FleetTarget, files: Sequence[Path], model: str | None, start: bool
) -> dict[Path, Prediction | ServeryError]:
    results: dict[Path, Prediction | ServeryError] = {}
    async with target.open() as (fleet, client):
        client.served_name(model)  # One sentence if it is not served, rather than one a file.
        with ProgressLine() as report:
            await _wait_for_instance(fleet, start, report)
            # The client answers from the instances that are ready, so it has to be kept up to date.
            async with in_background(fleet.watch(), name="watch the fleet"):
                await classify_images(
                    files, partial(client.classify, model=model), results.__setitem__, report
                )
    return results


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


def _as_json(file: Path, result: Prediction | ServeryError) -> dict[str, Any]:
    if isinstance(result, ServeryError):
        return {"file": str(file), "error": result.what, "advice": result.advice}
    return {"file": str(file), **asdict(result)}
