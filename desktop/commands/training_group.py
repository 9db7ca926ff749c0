"""`servery training`: training runs, and when a model is trained without being asked."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import click

from backend.client import BackendClient
from backend.contract import (
    MAX_AFTER_LABELS,
    MAX_QUIET_SECONDS,
    MIN_QUIET_SECONDS,
    Decision,
    TrainingRun,
    TrainingSettings,
)
from desktop.commands import options
from desktop.commands.connections import chosen_name
from desktop.commands.models.output import RUN_COLUMNS, run_row
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import (
    print_json,
    print_json_lines,
    print_line,
    print_message,
    print_table,
)
from desktop.formats import plural

MAX_RUNS = 20
"""Runs that are listed, unless they are printed as JSON."""


@click.group()
def training() -> None:
    """List training runs, and say when a model is trained by itself."""


@training.command()
@options.model
@options.backend
@options.as_json_lines
def runs(target: BackendTarget, model: str | None, as_json: bool) -> None:
    """List the training runs of a model, newest first.

    What started each, which version it made, and whether that went live: by which rule, and
    who decided it.
    """

    async def fetch(client: BackendClient) -> list[TrainingRun]:
        return await client.training_runs(await chosen_name(client, model))

    found = target.run(fetch)
    if as_json:
        print_json_lines(asdict(run) for run in found)
    elif found:
        shown = found[:MAX_RUNS]
        print_table(RUN_COLUMNS, [run_row(run) for run in shown])
        for run in shown:
            if run.decision is Decision.HELD_BACK:
                print_message(f"Version {run.version}: {run.not_promoted_because}")
    else:
        print_message("There is no training run yet.")


@training.command()
@click.option("--automatic/--by-hand", default=None, help="Train without being asked, or not.")
@click.option(
    "--promote/--hold",
    default=None,
    help="Let what passes every check go live by itself, or wait for `servery promote`.",
)
@click.option(
    "--after-labels",
    type=click.IntRange(1, MAX_AFTER_LABELS),
    metavar="N",
    help="Train once N labels are new.",
)
@click.option(
    "--quiet-seconds",
    type=click.IntRange(MIN_QUIET_SECONDS, MAX_QUIET_SECONDS),
    metavar="S",
    help="Train on fewer once nobody has labelled for S seconds.",
)
@options.model
@options.backend
@options.as_json
def settings(
    target: BackendTarget,
    automatic: bool | None,
    promote: bool | None,
    after_labels: int | None,
    quiet_seconds: int | None,
    model: str | None,
    as_json: bool,
) -> None:
    """Show or change when a model is trained by itself.

    Without options, nothing is changed.
    """
    options_by_name: dict[str, Any] = {
        "automatic": automatic,
        "promote": promote,
        "after_labels": after_labels,
        "quiet_seconds": quiet_seconds,
    }
    changes = {name: value for name, value in options_by_name.items() if value is not None}

    async def carry_out(client: BackendClient) -> tuple[str, TrainingSettings]:
        name = await chosen_name(client, model)
        found = await client.training_settings(name)
        if changes:
            changed = replace(found, **changes)
            found = await client.change_training_settings(name, changed)
        return name, found

    name, found = target.run(carry_out)
    if as_json:
        print_json(asdict(found))
    else:
        print_line(settings_sentence(name, found))


def settings_sentence(model: str, settings: TrainingSettings) -> str:
    """Say when a model is trained, and what happens then."""
    if settings.automatic:
        labels = plural(settings.after_labels, "label")
        seconds = plural(settings.quiet_seconds, "second")
        when = f"is trained after {labels}, or once nobody has labelled for {seconds}."
    else:
        when = "is trained when somebody asks for it."
    then = (
        "What passes every check goes live by itself."
        if settings.promote
        else "What passes every check waits until somebody promotes it."
    )
    return f"{model} {when} {then}"
