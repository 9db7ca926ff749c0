"""`servery classes`: the classes of a model, renamed, merged and deleted at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict

import click

from backend.client import BackendClient
from backend.contract import ClassChange, ClassChangeKind, ClassCount, ModelSummary
from desktop.commands import options
from desktop.commands.connections import chosen_name
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import (
    print_json,
    print_json_lines,
    print_line,
    print_message,
    print_table,
)
from desktop.formats import count
from desktop.moments import moment_in_full
from serving.errors import ServeryError

CLASS_COLUMNS = ("CLASS", "PHOTOS", "ANSWERED")
CHANGE_COLUMNS = ("CHANGE", "WHEN", "BY", "WHAT", "VERSION", "")
_by = click.option("--by", default="", metavar="NAME", help="Who does it.  [default: you]")


@click.group()
def classes() -> None:
    """List, rename, merge or delete the classes of a model, at once."""


@classes.command("list")
@options.model
@options.backend
@options.as_json_lines
def list_classes(target: BackendTarget, model: str | None, as_json: bool) -> None:
    """List the classes that the model answers with, and those of labels."""

    async def fetch(client: BackendClient) -> list[ClassCount]:
        return await client.classes(await chosen_name(client, model))

    found = target.run(fetch)
    if as_json:
        print_json_lines(asdict(each) for each in found)
    elif found:
        rows = [(each.name, count(each.labels), "yes" if each.known else "no") for each in found]
        print_table(CLASS_COLUMNS, rows)
    else:
        print_message("The model has no class yet.")


@classes.command()
@click.argument("name")
@click.argument("new_name")
@_by
@options.model
@options.backend
@options.as_json
def rename(
    target: BackendTarget, name: str, new_name: str, by: str, model: str | None, as_json: bool
) -> None:
    """Rename a class in what is live and in every label."""

    async def carry_out(client: BackendClient, model: str) -> ModelSummary:
        await _check_merges(client, model, name, new_name, merges=False)
        return await client.rename_class(model, name, new_name, by=by)

    _change(target, model, as_json, carry_out)


@classes.command()
@click.argument("name")
@click.argument("into")
@_by
@options.model
@options.backend
@options.as_json
def merge(
    target: BackendTarget, name: str, into: str, by: str, model: str | None, as_json: bool
) -> None:
    """Merge a class into another.

    What was of the class NAME is of the class INTO then, in what is live and in every label.
    """

    async def carry_out(client: BackendClient, model: str) -> ModelSummary:
        await _check_merges(client, model, name, into, merges=True)
        return await client.rename_class(model, name, into, by=by)

    _change(target, model, as_json, carry_out)


@classes.command()
@click.argument("name")
@_by
@options.model
@options.backend
@options.as_json
def delete(target: BackendTarget, name: str, by: str, model: str | None, as_json: bool) -> None:
    """Delete a class; its photos stay, without a label."""
    _change(
        target,
        model,
        as_json,
        lambda client, model: client.delete_class(model, name, by=by),
    )


@classes.command()
@options.model
@options.backend
@options.as_json_lines
def history(target: BackendTarget, model: str | None, as_json: bool) -> None:
    """List what people did to classes, newest first."""
    found = target.run(lambda client: _changes(client, model))
    if as_json:
        print_json_lines(asdict(change) for change in found)
    elif found:
        print_table(CHANGE_COLUMNS, [_change_row(change) for change in found])
    else:
        print_message("Nobody has renamed, merged or deleted a class of this model.")


@classes.command()
@click.argument("change", type=click.IntRange(min=1), required=False)
@_by
@options.model
@options.backend
@options.as_json
def undo(
    target: BackendTarget, change: int | None, by: str, model: str | None, as_json: bool
) -> None:
    """Take back what was done to a class.

    Without CHANGE, the last thing that was not taken back yet.
    """

    async def carry_out(client: BackendClient) -> tuple[ModelSummary, ClassChange]:
        name = await chosen_name(client, model)
        number = change or await _last(client, name)
        summary = await client.undo_class_change(name, number, by=by)
        changes = await client.class_changes(name)
        return summary, next(each for each in changes if each.id == number)

    _print(*target.run(carry_out), as_json)


async def _last(client: BackendClient, model: str) -> int:
    """Return the last change that was not undone; raises ServeryError if there is none."""
    for change in await client.class_changes(model):
        if not change.undone:
            return change.id
    raise ServeryError("There is nothing to undo.", "See what was done: `servery classes history`.")


async def _changes(client: BackendClient, model: str | None) -> list[ClassChange]:
    return await client.class_changes(await chosen_name(client, model))


async def _check_merges(
    client: BackendClient, model: str, name: str, other: str, *, merges: bool
) -> None:
    """Raise ServeryError if two classes would become one unasked, or the other one is missing."""
    known = {each.name.casefold() for each in await client.classes(model)}
    exists = " ".join(other.split()).casefold() in known - {name.casefold()}
    if exists and not merges:
        raise ServeryError(
            f"There is a class {other} already.",
            "To make one of both: `servery classes merge NAME INTO`.",
        )
    if merges and not exists:
        raise ServeryError(
            f"There is no class {other}.", "See those that there are: `servery classes list`."
        )


def _change(
    target: BackendTarget,
    model: str | None,
    as_json: bool,
    work: Callable[[BackendClient, str], Awaitable[ModelSummary]],
) -> None:
    """Carry out a change and print what it was, or the model as JSON."""

    async def carry_out(client: BackendClient) -> tuple[ModelSummary, ClassChange | None]:
        name = await chosen_name(client, model)
        summary = await work(client, name)
        return summary, next(iter(await client.class_changes(name)), None)

    _print(*target.run(carry_out), as_json)


def _print(summary: ModelSummary, change: ClassChange | None, as_json: bool) -> None:
    if as_json:
        print_json(asdict(summary))
        return
    live = f"Version {summary.live_version} is live."
    print_line(f"{change.sentence} {live}" if change is not None else live)


def _change_row(change: ClassChange) -> tuple[str, ...]:
    what = {
        ClassChangeKind.RENAMED: f"renamed {change.name} to {change.new_name}",
        ClassChangeKind.MERGED: f"merged {change.name} into {change.new_name}",
        ClassChangeKind.DELETED: f"deleted {change.name}",
    }[change.kind]
    return (
        str(change.id),
        moment_in_full(change.created),
        change.by or "-",
        what,
        "-" if change.version is None else str(change.version),
        "undone" if change.undone else "",
    )
