"""`servery models import`: a model of another program becomes one of the workspace."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from backend.client import BackendClient
from backend.contract import ModelFileJob, ModelFileQuery, ModelSummary, NewImport
from desktop.commands import options
from desktop.commands.models.output import command
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import (
    ProgressLine,
    print_json,
    print_line,
    print_message,
)
from desktop.formats import percent, plural
from desktop.model_files import import_archive, import_sentence
from desktop.model_imports import FORMATS, wait_for_import
from serving.errors import ModelError
from serving.exporting.archive import is_archive_file
from serving.importing.interface import (
    Channels,
    Corrections,
    ImportRequest,
    InputKind,
    Interface,
    ModelInspection,
    OutputKind,
    Preview,
    Resize,
    ValueRange,
)
from serving.units import format_bytes

_SHOWN_LABELS = 5
_INPUT_WORDS = {
    InputKind.FLOAT: "pixels as numbers",
    InputKind.UINT8: "pixels as bytes",
    InputKind.JPEG: "whole JPEG files, which it decodes itself",
}
_OPTIONS = {
    "value_range": "--value-range",
    "gives": "--outputs",
    "height": "--size",
    "width": "--size",
}
"""Which option corrects a guess; the others are called like what they correct."""


@dataclass(frozen=True)
class Found:
    """What there is to say of a file without importing it."""

    inspection: ModelInspection
    previews: list[Preview]


def _choice(
    kind: type[ValueRange | Channels | Resize | OutputKind], *excluded: str
) -> click.Choice[str]:
    return click.Choice([each.value for each in kind if each.value not in excluded])


@click.command(name="import")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--name", metavar="NAME", help="What to call the model.  [default: as the file]")
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Names of the classes in the order of the scores: one a line, CSV or JSON.",
)
@click.option("--value-range", type=_choice(ValueRange), help="What a pixel becomes.")
@click.option("--channels", type=_choice(Channels, "gray"), help="Their order.")
@click.option("--resize", type=_choice(Resize), help="How a photo becomes the input's size.")
@click.option("--outputs", type=_choice(OutputKind), help="What the model gives.")
@click.option(
    "--size",
    type=click.IntRange(8, 4096),
    nargs=2,
    metavar="HEIGHT WIDTH",
    help="Of the input, for a model that takes photos of any size.",
)
@click.option("--signature", metavar="NAME", help="Which signature of a SavedModel it is.")
@click.option("--all-versions", is_flag=True, help="Every version of a model folder.")
@click.option("--trust", is_flag=True, help="Import a model that can do more than compute.")
@click.option("--inspect", is_flag=True, help="Say what the file holds, and import nothing.")
@click.option(
    "--preview",
    "photos",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    metavar="PHOTO",
    help="Say what the model would answer for PHOTO, and import nothing (repeatable).",
)
@options.backend
@options.as_json
def import_model(
    target: BackendTarget,
    path: Path,
    name: str | None,
    labels: Path | None,
    value_range: str | None,
    channels: str | None,
    resize: str | None,
    outputs: str | None,
    size: tuple[int, int] | None,
    signature: str | None,
    all_versions: bool,
    trust: bool,
    inspect: bool,
    photos: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Bring in a model that another program made.

    PATH is a Keras file (.keras, .h5), a SavedModel folder, a model folder of TensorFlow
    Serving, an export of Teachable Machine or Lobe, or a zip file of one. What the file does not
    say about its input is guessed: look at it with --inspect, try it with --preview, and
    correct it with the other options.

    PATH may also be a zip file that `servery models export --format servery` wrote: then its
    labels come with it, and it can be taught further here.
    """
    if is_archive_file(path):
        _bring_in_archive(target, path.absolute(), name or "", as_json)
        return
    corrections = Corrections(
        value_range=ValueRange(value_range) if value_range else None,
        channels=Channels(channels) if channels else None,
        resize=Resize(resize) if resize else None,
        gives=OutputKind(outputs) if outputs else None,
        signature=signature,
        height=size[0] if size else None,
        width=size[1] if size else None,
    )
    request = ImportRequest(
        str(path.absolute()),
        str(labels.absolute()) if labels else "",
        corrections,
        trust,
        all_versions,
    )
    if inspect or photos:
        paths = tuple(str(photo.absolute()) for photo in photos)
        found = target.run(lambda client: _look(client, ModelFileQuery(request, photos=paths)))
        show_found(found, as_json)
        return
    model = target.run(lambda client: _bring_in(client, request, name))
    if as_json:
        print_json(asdict(model))
        return
    classes = plural(model.class_count, "class", "classes")
    print_line(f"{model.name} is there, with {classes}.")
    print_message(f"Serve it with {command('models', 'serve', model.name)}.")


def _bring_in_archive(target: BackendTarget, path: Path, name: str, as_json: bool) -> None:
    async def work(client: BackendClient) -> ModelFileJob:
        with ProgressLine() as report:
            return await import_archive(client, path, name, report)

    done = target.run(work)
    if as_json:
        print_json(asdict(done))
    else:
        print_line(import_sentence(done))


async def _look(client: BackendClient, query: ModelFileQuery) -> Found:
    with ProgressLine() as report:
        report(0, 0, "Looking at the model")
        inspection = await client.inspect_model(query)
        previews: list[Preview] = []
        if query.photos and inspection.interface is not None:
            report(0, 0, "Classifying photos")
            previews = await client.preview_model(query)
    return Found(inspection, previews)


async def _bring_in(
    client: BackendClient, request: ImportRequest, name: str | None
) -> ModelSummary:
    with ProgressLine() as report:
        report(0, 0, "Looking at the model")
        found = await client.inspect_model(ModelFileQuery(request))
    if found.unsafe_operations and not request.trust:
        raise ModelError(
            " ".join(found.problems), "If you trust its author, import it with --trust."
        )
    if found.problems:
        raise ModelError(found.problems[0], "Nothing was imported.")
    if found.interface is not None and found.interface.guessed:
        guessed = ", ".join(each.replace("_", " ") for each in found.interface.guessed)
        print_message(
            f"The file does not say {guessed}; Servery guesses. To see if the answers are right,"
            " add --preview PHOTO."
        )
    started = await client.import_model(NewImport(name or found.name, request))
    try:
        with ProgressLine() as report:
            ended = await wait_for_import(client, started, report)
    except asyncio.CancelledError:
        print_message(f"The import of {started.name} was cancelled; nothing of it stays.")
        raise
    return await client.model(ended.name)


def show_found(found: Found, as_json: bool) -> None:
    """Print what is known of a file, and how to correct what is guessed."""
    if as_json:
        print_json(asdict(found))
        return
    inspection = found.inspection
    print_line(f"{inspection.name}: {FORMATS[inspection.format]}")
    interface = inspection.interface
    rows = _rows_of_interface(interface)
    if interface is not None or inspection.labels is not None:
        rows.append(("labels", _labels(inspection)))
    if inspection.choices[1:]:
        rows.append(("signatures", ", ".join(inspection.choices)))
    if inspection.versions:
        rows.append(("versions", ", ".join(map(str, inspection.versions))))
    rows.append(("size", format_bytes(inspection.size_bytes)))
    for name, value in rows:
        print_line(f"  {name:12} {value}")
    for preview in found.previews:
        shown = ", ".join(f"{each.name} {percent(each.score)}" for each in preview.scores)
        print_line(f"{preview.photo}: {shown or preview.problem}")
    for problem in inspection.problems:
        print_message(problem)
    if interface is not None and interface.guessed:
        corrected = dict.fromkeys(_OPTIONS.get(each, f"--{each}") for each in interface.guessed)
        print_message(
            "What is guessed, the file does not say. See with --preview PHOTO if the answers are"
            f" right; if not, correct it: {', '.join(corrected)}."
        )


def _rows_of_interface(interface: Interface | None) -> list[tuple[str, str]]:
    if interface is None:
        return []
    rows = [("takes", _INPUT_WORDS[interface.takes])]
    if interface.takes is not InputKind.JPEG:
        guessed = dict.fromkeys(interface.guessed, " (guessed)")
        size = f"{interface.height}x{interface.width}{guessed.get('height', '')}"
        rows += [
            ("input", f"{size} (height x width)"),
            ("resize", f"{interface.resize.value}{guessed.get('resize', '')}"),
            ("value range", f"{interface.value_range.value}{guessed.get('value_range', '')}"),
            ("channels", f"{interface.channels.value}{guessed.get('channels', '')}"),
        ]
    kind = interface.gives.value
    if not interface.exclusive:
        kind = "scores of their own, which do not sum up to 100%"
    unsure = " (guessed)" if "gives" in interface.guessed else ""
    layer = (
        "no embedding: learning uses the scores"
        if interface.embedding_size is None
        else f"an embedding of {interface.embedding_size:,} numbers"
    )
    return [*rows, ("gives", f"{interface.classes:,} {kind}{unsure}; {layer}")]


def _labels(inspection: ModelInspection) -> str:
    if inspection.labels is None:
        return "none; give a file with --labels"
    shown = ", ".join(inspection.labels[:_SHOWN_LABELS])
    more = ", …" if len(inspection.labels) > _SHOWN_LABELS else ""
    return f"{len(inspection.labels):,}, from {inspection.labels_from}: {shown}{more}"
