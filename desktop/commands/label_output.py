"""What labels that came in or went out look like on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from backend.contract import LabelImport, SkippedFile
from desktop.commands.models.output import command
from desktop.commands.terminal import print_json, print_line, print_message
from desktop.label_files import imported_sentences


def show_imported(taken: LabelImport, as_json: bool) -> None:
    """Print what was taken, and on stderr what was not; exit with 1 if something was not."""
    if as_json:
        print_json(asdict(taken))
    else:
        for sentence in imported_sentences(taken):
            print_line(sentence)
    if taken.action and not as_json:
        undo = command("labels", "undo", str(taken.action))
        print_message(f"To take them back: {undo}.")
    print_skipped(taken.skipped)
    if taken.labels and not as_json:
        learn_now = command("train", "--model", taken.model)
        print_message(f"{taken.model} learns from them with {learn_now}.")
    if taken.skipped:
        raise click.exceptions.Exit(1)


def print_skipped(skipped: Sequence[SkippedFile]) -> None:
    """Name on stderr what was left out."""
    for file in skipped:
        print_message(f"Left out: {file.path}: {file.reason}")
