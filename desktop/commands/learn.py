"""`servery label`, `train`, `models` and `promote`: what the backend does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from backend.client import BackendClient
from backend.contract import RunState, TrainingRun, VersionSummary
from desktop.backend_process import BackendHandle
from desktop.commands import options
from desktop.commands.connections import with_backend
from desktop.commands.terminal import ProgressLine, print_json, print_message, print_table
from desktop.formats import percent, plural
from desktop.learn.learn_now import TrainingRunFailed, wait_for_run
from serving.normalize_image import read_image
from serving.workspace import Workspace


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path)
)
@click.argument("class_name", metavar="CLASS")
@options.as_json
@click.pass_obj
def label(workspace: Workspace, files: Sequence[Path], class_name: str, as_json: bool) -> None:
    """Label image files as CLASS.

    CLASS is one that the model knows, or a new one.
    """

    async def send(client: BackendClient, _: BackendHandle) -> None:
        labels = []
        for file in files:
            image = await asyncio.to_thread(read_image, file)
            labels.append(await client.label(image, class_name))
            if not as_json:
                new = " (a new class)" if labels[-1].new_class else ""
                click.echo(f"{file}: {class_name}{new}")
        if as_json:
            print_json([asdict(label) for label in labels])

    with_backend(workspace, send)


@click.command()
@click.option("--wait", is_flag=True, help="Wait until the training run has finished.")
@options.as_json
@click.pass_obj
def train(workspace: Workspace, wait: bool, as_json: bool) -> None:
    """Train on the labels.

    A training run that succeeds makes a new version. If no backend is running, one is
    started and runs until the training has finished.
    """

    async def learn(client: BackendClient, handle: BackendHandle) -> TrainingRun:
        run = await client.train()
        if wait or handle.started_here:
            with ProgressLine() as report:
                run = await wait_for_run(client, run, report)
        return run

    run = with_backend(workspace, learn)
    if as_json:
        print_json(asdict(run))
    if run.state in (RunState.FAILED, RunState.CANCELLED):
        raise TrainingRunFailed(
            f"Training run {run.id} {run.state.value}: {run.step or 'no reason given.'}"
        )
    if not as_json:
        click.echo(_outcome(run))


def _outcome(run: TrainingRun) -> str:
    if run.state is not RunState.SUCCEEDED:
        return f"Training run {run.id} is {run.state.value}. Follow it with `servery models`."
    accuracy = "" if run.accuracy is None else f", {percent(run.accuracy)} on held-out images"
    made = "made no version" if run.version is None else f"made version {run.version}{accuracy}"
    return f"Training run {run.id} learned from {plural(run.labels, 'label')} and {made}."


@click.command()
@options.as_json
@click.pass_obj
def models(workspace: Workspace, as_json: bool) -> None:
    """List the models and their versions."""
    found = with_backend(workspace, lambda client, _: client.models())
    if as_json:
        print_json([asdict(model) for model in found])
        return
    if not found:
        print_message("There is no model yet.")
        return
    versions = [version for model in found for version in model.versions]
    print_table(
        ("MODEL", "VERSION", "LIVE", "ACCURACY", "CLASSES", "CREATED"),
        [_version_row(version) for version in versions],
    )


def _version_row(version: VersionSummary) -> tuple[str, ...]:
    return (
        version.model,
        str(version.number),
        "live" if version.live else "",
        "-" if version.accuracy is None else percent(version.accuracy),
        str(len(version.classes)),
        version.created,
    )


@click.command()
@click.argument("version", type=click.IntRange(min=1))
@options.model
@options.as_json
@click.pass_obj
def promote(workspace: Workspace, version: int, model: str, as_json: bool) -> None:
    """Make VERSION the live one.

    Promoting an older version rolls back.
    """
    live = with_backend(workspace, lambda client, _: client.promote(model, version))
    if as_json:
        print_json(asdict(live))
    else:
        click.echo(f"Version {live.number} of {live.model} is live.")
