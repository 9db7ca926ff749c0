"""`servery train` and `promote`: what the backend does."""

from __future__ import annotations

from dataclasses import asdict

import click

from backend.client import BackendClient
from backend.contract import TrainingRun, VersionSummary
from desktop.backend_process import BackendHandle
from desktop.commands import options
from desktop.commands.connections import chosen_name
from desktop.commands.models.output import command, outcome
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import print_json, print_line, print_message
from desktop.commands.training import check_succeeded, run_to_its_end
from serving.units import format_duration


@click.command()
@click.option("--wait", is_flag=True, help="Wait until the training run has finished.")
@click.option(
    "--fine-tune",
    is_flag=True,
    help="Train the last blocks of the network, too; that takes minutes, at low priority.",
)
@options.model
@options.backend
@options.as_json
def train(
    target: BackendTarget, wait: bool, fine_tune: bool, model: str | None, as_json: bool
) -> None:
    """Train on the labels.

    A training run that succeeds makes a new version. If no backend is running, one is
    started and runs until the training has finished. Ctrl+C cancels a run that is
    waited for; the labels stay.

    With --fine-tune the network itself learns, for models of your own classes with enough
    labels. There is a new version only if it is better, on photos that it did not learn from,
    than chance would be.
    """

    async def learn(client: BackendClient, handle: BackendHandle) -> TrainingRun:
        if fine_tune:
            offer = await client.fine_tuning(await chosen_name(client, model))
            if offer.seconds is not None:
                print_message(f"Fine-tuning takes about {format_duration(offer.seconds)}.")
        run = await client.train(model, fine_tune=fine_tune)
        if wait or handle.started_here:
            words = ["train", "--wait", *(["--fine-tune"] if fine_tune else [])]
            again = command(*words, "--model", run.model)
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
