"""`servery queue`: the photos whose labels teach most."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from backend.client import BackendClient
from backend.contract import QueueItem
from desktop.commands import options
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import print_json_lines, print_message, print_table
from desktop.formats import short_hash
from serving.errors import ServeryError, storage_error

COLUMNS = ("PHOTO", "WHY", "PROBABLY")


@click.command()
@options.count("Show the first N.")
@click.option(
    "--save",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write the photos into FOLDER too, to look at them.",
)
@options.model
@options.backend
@options.as_json_lines
def queue(
    target: BackendTarget, number: int, folder: Path | None, model: str | None, as_json: bool
) -> None:
    """List the photos to label next, the best first.

    They are those that were classified and that nobody labelled; each says why it teaches.
    One that --save has written, under its hash, is labelled
    by `servery label FILE CLASS`.
    """

    async def fetch(client: BackendClient) -> list[QueueItem]:
        found = await client.queue(model, number)
        if folder is not None:
            for item in found:
                _write(folder / f"{item.image}.jpg", await client.image(item.image))
        return found

    found = target.run(fetch)
    if as_json:
        print_json_lines(asdict(item) for item in found)
    elif found:
        print_table(COLUMNS, [_row(item) for item in found])
    else:
        print_message("Every photo that was classified has a label, or none was classified yet.")


def _write(path: Path, jpeg: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg)
    except OSError as error:
        what = "The photo could not be written"
        raise storage_error(error, path, what, ServeryError) from error


def _row(item: QueueItem) -> tuple[str, ...]:
    best = item.scores[0] if item.scores else None
    probably = f"{best.name} ({best.score:.0%})" if best is not None else ""
    return (short_hash(item.image), item.text, probably)
