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
from desktop.commands.terminal import print_json, print_line
from desktop.commands.training import check_succeeded, run_to_its_end


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
