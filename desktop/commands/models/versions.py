"""`servery models versions`, `report`, `verify`, `pin`, `unpin` and `keep`."""

from __future__ import annotations

from dataclasses import asdict

import click

from backend.client import BackendClient, BackendRefused
from backend.contract import (
    Decision,
    EvaluationReport,
    ModelSummary,
    TrainingRun,
    Verification,
)
from desktop.commands import options
from desktop.commands.connections import chosen_model
from desktop.commands.models.output import (
    VERSION_COLUMNS,
    command,
    report_lines,
    version_row,
)
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import (
    print_json,
    print_json_lines,
    print_line,
    print_message,
    print_table,
)
from desktop.formats import plural
from serving.errors import ModelError

_name = click.argument("name", required=False)
_version = click.argument("version", type=click.IntRange(min=1))
_any_version = click.argument("version", type=click.IntRange(min=1), required=False)


@click.command()
@_name
@options.backend
@options.as_json_lines
def versions(target: BackendTarget, name: str | None, as_json: bool) -> None:
    """List the versions of the model NAME, newest first.

    Without NAME, those of the current model.
    """

    async def fetch(client: BackendClient) -> tuple[ModelSummary, list[TrainingRun]]:
        model = await chosen_model(client, name)
        return model, await client.training_runs(model.name)

    model, runs = target.run(fetch)
    made_by = {run.version: run for run in reversed(runs) if run.version is not None}
    if as_json:
        print_json_lines(asdict(version) for version in model.versions)
    elif model.versions:
        rows = [version_row(version, made_by.get(version.number)) for version in model.versions]
        print_table(VERSION_COLUMNS, rows)
        for version in model.versions:
            if version.fault:
                print_message(f"{version.fault} {version.fault_advice}")
            run = made_by.get(version.number)
            if run is not None and run.decision is Decision.HELD_BACK and not version.live:
                again = command("promote", "--model", model.name, str(version.number))
                print_message(
                    f"Version {version.number}: {run.not_promoted_because} To make it live all"
                    f" the same: {again}."
                )
    else:
        print_message(f"{model.name} has no version yet.")


@click.command()
@_name
@_any_version
@options.backend
@options.as_json
def report(target: BackendTarget, name: str | None, version: int | None, as_json: bool) -> None:
    """Print how good a version of the model NAME is.

    The accuracy, which classes it takes for one another, and its surest wrong answers, as
    training measured them. Without VERSION, of the live version; without NAME, of the
    current model.
    """

    async def fetch(client: BackendClient) -> tuple[str, int, EvaluationReport]:
        model = await chosen_model(client, name)
        number = version or model.live_version
        if number is None:
            raise ModelError(
                f"No version of model {model.name} is live.", "Name the version after the model."
            )
        try:
            return model.name, number, await client.report(model.name, number)
        except BackendRefused as error:
            if error.status != 404:
                raise
            raise ModelError(error.what, error.advice) from error

    model_name, number, found = target.run(fetch)
    if as_json:
        print_json(asdict(found))
        return
    print_line(f"Version {number} of {model_name}")
    for line in report_lines(found):
        print_line(line)


@click.command()
@_name
@_any_version
@options.backend
@options.as_json_lines
def verify(target: BackendTarget, name: str | None, version: int | None, as_json: bool) -> None:
    """Compare the files of the model NAME with their checksums.

    SHA-256 checksums are recorded when a version is made. Without VERSION, all versions
    are compared; without NAME, those of the current model. The exit code is 1 if a file
    is missing, new or differs.
    """

    async def check(client: BackendClient) -> bool:
        model = await chosen_model(client, name)
        any_changed = False
        for number in [version] if version else [each.number for each in model.versions]:
            result = await client.verify_version(model.name, number)
            any_changed = any_changed or bool(result.changed)
            if as_json:
                print_json(asdict(result))
            else:
                print_line(_verification_sentence(result))
        return any_changed

    if target.run(check):
        raise click.exceptions.Exit(1)


def _verification_sentence(result: Verification) -> str:
    version = f"Version {result.version} of {result.model}"
    if not result.recorded:
        return f"{version} has no checksums: an older Servery made it."
    if result.changed:
        files = plural(len(result.changed), "file")
        return f"{version} was changed on disk, in {files}: {', '.join(result.changed)}."
    return f"{version} is as it was made."


@click.command()
@click.argument("name")
@_version
@options.backend
@options.as_json
def pin(target: BackendTarget, name: str, version: int, as_json: bool) -> None:
    """Keep VERSION of NAME, however many come after it."""
    pinned = target.run(lambda client: client.pin_version(name, version))
    if as_json:
        print_json(asdict(pinned))
    else:
        print_line(f"Version {version} of {name} is kept until it is unpinned.")


@click.command()
@click.argument("name")
@_version
@options.backend
@options.as_json
def unpin(target: BackendTarget, name: str, version: int, as_json: bool) -> None:
    """Let VERSION of NAME go when newer ones replace it."""
    unpinned = target.run(lambda client: client.unpin_version(name, version))
    if as_json:
        print_json(asdict(unpinned))
    else:
        print_line(f"Version {version} of {name} is not pinned any more.")


@click.command()
@click.argument("name")
@click.argument("count", type=click.IntRange(min=1))
@options.backend
@options.as_json
def keep(target: BackendTarget, name: str, count: int, as_json: bool) -> None:
    """Keep only the newest COUNT versions of the model NAME.

    The live version, pinned ones and version 1 stay in any case.
    """
    model = target.run(lambda client: client.keep_versions(name, count))
    if as_json:
        print_json(asdict(model))
    else:
        left = plural(len(model.versions), "version")
        print_line(f"{name} keeps its newest {count}; it has {left} now.")
