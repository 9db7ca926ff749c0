"""`servery labels export`: labels with their photos, for other programs."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

import click

from backend.client import BackendClient
from backend.contract import LabelExport, LabelFormat
from desktop.commands import options
from desktop.commands.label_output import print_skipped
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import ProgressLine, print_json, print_line
from desktop.label_files import exported_sentence


@click.command(name="export")
@click.argument("model")
@click.argument("folder", metavar="TARGET", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in LabelFormat]),
    default=LabelFormat.FOLDER.value,
    show_default=True,
    help="A folder for each class, one CSV file, or JSON for Label Studio.",
)
@options.backend
@options.as_json
def export_labels(
    target: BackendTarget, model: str, folder: Path, form: str, as_json: bool
) -> None:
    """Write the labels of MODEL with their photos to the folder TARGET.

    TARGET is new or empty; it is there once all of it is. `servery labels import` reads it
    again. A photo that cannot be read is left out and named; the exit code is then 1.
    """

    async def carry_out(client: BackendClient) -> LabelExport:
        path = await asyncio.to_thread(folder.absolute)
        with ProgressLine() as report:
            return await client.export_labels(model, path, LabelFormat(form), report)

    written = target.run(carry_out)
    if as_json:
        print_json(asdict(written))
    else:
        print_line(exported_sentence(written))
    print_skipped(written.skipped)
    if written.skipped:
        raise click.exceptions.Exit(1)
