"""`servery label`, `train` and `promote`: what the backend does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from backend.client import BackendClient
from backend.contract import Label, TrainingRun, VersionSummary
from desktop.backend_process import BackendHandle
from desktop.commands import options
from desktop.commands.connections import chosen_name
from desktop.commands.models.output import command, outcome
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import print_json, print_line
from desktop.commands.training import check_succeeded, run_to_its_end
from serving.class_names import checked_class_name
from serving.errors import ImageError, ServeryError
from serving.normalize_image import read_image


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@click.argument("class_name", metavar="CLASS")
@options.model
@options.backend
@options.as_json
def label(
    target: BackendTarget,
    files: Sequence[Path],
    class_name: str,
    model: str | None,
    as_json: bool,
) -> None:
    """Label image files as CLASS.

    CLASS is one that the model knows, by any of its names, or a new one.
    """

    async def send(client: BackendClient) -> None:
        labels = []
        for file in files:
            try:
                image = await asyncio.to_thread(read_image, file)
                labels.append(await client.label(image, class_name, model=model))
            except ServeryError as error:
                what = f"{file} was not labelled. {error.what}"
                raise ServeryError(what, error.advice) from error
            if not as_json:
                print_line(f"{file}: {_taken_as(labels[-1], class_name)}")
        if as_json:
            print_json([asdict(label) for label in labels])

    _check_exist(files, class_name)
    target.run(send)


def _check_exist(files: Sequence[Path], class_name: str) -> None:
    """Raise ImageError for the first file that is missing, before any is labelled.

    Says so if it looks as if the class came before the files.
    """
    for file in files:
        if not file.exists():
            advice = "Check where the file is now; nothing was labelled."
            if Path(class_name).is_file():
                advice = "The files come first and the class last: `servery label FILE... CLASS`."
            raise ImageError(f"There is no file {file} to label as {class_name}.", advice)


def _taken_as(label: Label, class_name: str) -> str:
    """Return the class of a label, and that it is another name for what was typed if so."""
    if label.new_class:
        return f"{label.class_name} (a new class)"
    typed = checked_class_name(class_name)
    if typed.casefold() == label.class_name.casefold():
        return label.class_name
    return f"{label.class_name} (another name of it is {typed})"


@click.command()
@click.option("--wait", is_flag=True, help="Wait until the training run has finished.")
@options.model
@options.backend
@options.as_json
def train(target: BackendTarget, wait: bool, model: str | None, as_json: bool) -> None:
    """Train on the labels.

    A training run that succeeds makes a new version. If no backend is running, one is
    started and runs until the training has finished. Ctrl+C cancels a run that is
    waited for; the labels stay.
    """

    async def learn(client: BackendClient, handle: BackendHandle) -> TrainingRun:
        run = await client.train(model)
        if wait or handle.started_here:
            again = command("train", "--wait", "--model", run.model)
            run = await run_to_its_end(client, run, f"To train again: {again}.")
        return run

    run = target.run_with_handle(learn)
    if as_json:
        print_json(asdict(run))
    check_succeeded(run)
    if not as_json:
        print_line(outcome(run))


@click.command()
@click.argument("version", type=click.IntRange(min=1))
@options.model
@options.backend
@options.as_json
def promote(target: BackendTarget, version: int, model: str | None, as_json: bool) -> None:
    """Make VERSION of a model the live one.

    Promoting an older version rolls back.
    """

    async def carry_out(client: BackendClient) -> VersionSummary:
        return await client.promote(await chosen_name(client, model), version)

    live = target.run(carry_out)
    if as_json:
        print_json(asdict(live))
    else:
        print_line(f"Version {live.number} of {live.model} is live.")
