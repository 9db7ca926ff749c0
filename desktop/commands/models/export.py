"""`servery models export`: a version as files for other programs, or for another Servery."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from backend.client import BackendClient, BackendRefused
from backend.contract import ModelFileJob, NewExport
from desktop.commands import options
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import ProgressLine, print_json, print_line
from desktop.model_files import export_sentence, export_version
from serving.errors import ModelError
from serving.exporting.formats import ExportFormat


@click.command()
@click.argument("name", metavar="NAME[:VERSION]")
@click.argument("path", metavar="TARGET", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice([each.value for each in ExportFormat]),
    required=True,
    help="savedmodel: as TensorFlow Serving takes it. tflite, onnx: for their runtimes, with"
    " a reader of photos. servery: for another Servery, with the labels.",
)
@click.option(
    "--with-photos", is_flag=True, help="Put the labelled photos in too (--format servery)."
)
@click.option("--replace", is_flag=True, help="Take the place of an earlier export.")
@options.backend
@options.as_json
def export(
    target: BackendTarget,
    name: str,
    path: Path,
    kind: str,
    with_photos: bool,
    replace: bool,
    as_json: bool,
) -> None:
    """Write a version of the model NAME to the folder TARGET.

    Without VERSION, the live one. If TARGET ends in .zip, it is a zip file; with --format
    servery it has to be. Its scores are compared with those of the version on photos before
    it is there, and an export whose scores differ is refused.
    """
    new = NewExport(
        ExportFormat(kind), str(path.absolute()), replace=replace, with_photos=with_photos
    )
    if with_photos and new.format is not ExportFormat.SERVERY:
        raise ModelError(
            "Photos go with `--format servery` alone.", "Leave --with-photos out, or change that."
        )

    async def work(client: BackendClient) -> ModelFileJob:
        model, number = await _version(client, name)
        try:
            with ProgressLine() as report:
                return await export_version(client, model, number, new, report)
        except BackendRefused as error:
            if error.status != 409:
                raise
            advice = "Name another place, or add --replace if it is an earlier export."
            raise ModelError(error.what, advice) from error

    done = target.run(work)
    if as_json:
        print_json(asdict(done))
    else:
        print_line(export_sentence(done, new.format))


async def _version(client: BackendClient, name: str) -> tuple[str, int]:
    """Return the model and version that `NAME[:VERSION]` means; raises ModelError."""
    model_name, colon, number = name.partition(":")
    if colon and not (number.isascii() and number.isdecimal()):
        raise ModelError(
            f"{number or 'Nothing'} is no number of a version.", "Write it as in `pets:3`."
        )
    model = await client.model(model_name)
    if colon:
        return model.name, int(number)
    if model.live_version is None:
        raise ModelError(
            f"No version of model {model.name} is live.", "Name the version: `NAME:VERSION`."
        )
    return model.name, model.live_version
