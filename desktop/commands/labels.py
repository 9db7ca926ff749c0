"""`servery labels`: what people have said photos show, and taking it back."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

import click

from backend.client import BackendClient
from backend.contract import Conflict, IssueKind, Label, LabelAction, LabelIssue, LabelKind
from desktop.commands import options
from desktop.commands.label_export import export_labels
from desktop.commands.label_import import import_labels
from desktop.commands.options import BackendTarget
from desktop.commands.photo_files import PhotoFiles
from desktop.commands.terminal import (
    print_json,
    print_json_lines,
    print_line,
    print_message,
    print_table,
)
from desktop.formats import count, plural, short_hash
from desktop.moments import moment_in_full
from serving.errors import ServeryError

ACTION_COLUMNS = ("ACTION", "WHEN", "BY", "SAID", "PHOTOS", "")
LABEL_COLUMNS = ("WHEN", "BY", "SAID", "ACTION")
CONFLICT_COLUMNS = ("PHOTO", "BY", "SAID", "WHEN")
ISSUE_COLUMNS = ("PHOTO", "LABEL", "WHY", "SURE")


@click.group()
def labels() -> None:
    """Show labels, take them back, and bring them in and out."""


labels.add_command(import_labels)
labels.add_command(export_labels)


@labels.command()
@options.count("Show the last N.")
@options.model
@options.backend
@options.as_json_lines
def history(target: BackendTarget, number: int, model: str | None, as_json: bool) -> None:
    """List what people have done last, newest first.

    Photos that were labelled at once are one action. `servery labels undo ACTION` takes it back,
    whenever it was.
    """
    actions = target.run(lambda client: client.label_actions(model, number))
    if as_json:
        print_json_lines(asdict(action) for action in actions)
    elif actions:
        print_table(ACTION_COLUMNS, [_action_row(action) for action in actions])
    else:
        print_message("Nobody has labelled a photo for this model yet.")


@labels.command()
@click.argument("action", type=click.IntRange(min=1), required=False)
@options.model
@options.backend
@options.as_json
def undo(target: BackendTarget, action: int | None, model: str | None, as_json: bool) -> None:
    """Take labels back that were given at once.

    Without ACTION, the last one that was not taken back yet. What its labels replaced counts again.
    """

    async def carry_out(client: BackendClient) -> LabelAction:
        return await client.undo_action(action or await _last(client, model))

    undone = target.run(carry_out)
    if as_json:
        print_json(asdict(undone))
    else:
        said = said_as(undone.kind, undone.class_name)
        print_line(f"Action {undone.id} is undone: {said}, {plural(undone.count, 'photo')}.")


@labels.command()
@click.argument("file", type=click.Path())
@options.model
@options.backend
@options.as_json_lines
def of(target: BackendTarget, file: str, model: str | None, as_json: bool) -> None:
    """List what people have said of one photo, newest first.

    FILE may be - for standard input. `servery label` says something else of it.
    """
    photos = PhotoFiles([file])
    image = hashlib.sha256(photos.read(photos.paths[0])).hexdigest()
    found = target.run(lambda client: client.labels_of(image, model))
    if as_json:
        print_json_lines(asdict(label) for label in found)
    elif found:
        print_table(LABEL_COLUMNS, [_label_row(label) for label in found])
    else:
        print_message(f"{file} has no label.")


@labels.command()
@options.model
@options.backend
@options.as_json_lines
def conflicts(target: BackendTarget, model: str | None, as_json: bool) -> None:
    """List the photos that people label differently.

    Nothing is learned from them until one of them agrees, or somebody settles it:
    `servery label --settle FILE CLASS`.
    """
    found = target.run(lambda client: client.conflicts(model))
    if as_json:
        print_json_lines(asdict(conflict) for conflict in found)
    elif found:
        print_table(CONFLICT_COLUMNS, [row for each in found for row in _conflict_rows(each)])
    else:
        print_message("Nobody disagrees about a photo.")


@labels.command()
@options.model
@options.backend
@options.as_json_lines
def check(target: BackendTarget, model: str | None, as_json: bool) -> None:
    """List labels to look at again, the worst first.

    Labels that all others contradict, photos that are nearly the same and have different labels,
    and dark, blurred and empty photos.
    """
    found = target.run(lambda client: client.label_issues(model))
    if as_json:
        print_json_lines(asdict(issue) for issue in found)
    elif found:
        print_table(ISSUE_COLUMNS, [_issue_row(issue) for issue in found])
    else:
        print_message("Nothing speaks against any label.")


async def _last(client: BackendClient, model: str | None) -> int:
    """Return the last action that was not undone; raises ServeryError if there is none."""
    for action in await client.label_actions(model, 1000):
        if not action.undone:
            return action.id
    raise ServeryError("There is nothing to undo.", "See what was done: `servery labels history`.")


def said_as(kind: LabelKind, class_name: str) -> str:
    """Return what a label says, in a word or two."""
    words = {LabelKind.NONE: "none of the classes", LabelKind.SKIP: "not now"}
    return words.get(kind) or class_name or "several classes"


def _action_row(action: LabelAction) -> tuple[str, ...]:
    return (
        str(action.id),
        moment_in_full(action.created),
        action.by or "-",
        said_as(action.kind, action.class_name),
        count(action.count),
        "undone" if action.undone else "",
    )


def _label_row(label: Label) -> tuple[str, ...]:
    said = said_as(label.kind, label.class_name)
    return (moment_in_full(label.created), label.by or "-", said, str(label.action))


def _conflict_rows(conflict: Conflict) -> list[tuple[str, ...]]:
    return [
        (
            short_hash(conflict.image),
            label.by,
            said_as(label.kind, label.class_name),
            moment_in_full(label.created),
        )
        for label in conflict.labels
    ]


def _issue_row(issue: LabelIssue) -> tuple[str, ...]:
    match issue.kind:
        case IssueKind.CONTRADICTED:
            why = f"The others say {issue.suggested}."
        case IssueKind.DUPLICATE:
            other = short_hash(issue.other)
            why = f"{other}, nearly the same photo, has the label {issue.suggested}."
        case kind:
            why = f"The photo is {kind.value}."
    return (short_hash(issue.image), issue.class_name, why, f"{issue.score:.0%}")
