"""`servery labels import`: labels from files, and from folders of photos for each class."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from backend.client import BackendClient, BackendRefused
from backend.contract import (
    Decision,
    EvaluationReport,
    LabelImport,
    ModelSummary,
    TrainingRun,
)
from desktop.commands import options
from desktop.commands.label_keywords import import_keywords
from desktop.commands.label_output import show_imported
from desktop.commands.models.output import command, import_lines, outcome
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import ProgressLine, print_json, print_line, print_message
from desktop.commands.training import run_to_its_end
from desktop.label_files import has_label_file

PHOTOS = click.Path(exists=True, path_type=Path)


@click.command(name="import")
@click.argument("model")
@click.argument("source", type=PHOTOS)
@click.option(
    "--photos",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the photos are that a file names.  [default: the folder of the file]",
)
@click.option("--by", default="", metavar="NAME", help="Who says it, if SOURCE does not.")
@click.option(
    "--control",
    default="",
    metavar="NAME",
    help="Of several choices in Label Studio, the one that says what a photo shows.",
)
@click.option(
    "--from-keywords",
    is_flag=True,
    help="Take keywords in the metadata of the photos in SOURCE as classes.",
)
@click.option(
    "--keyword",
    "keywords",
    multiple=True,
    metavar="NAME",
    help="Of the keywords, take this one; may be given several times.",
)
@click.option("--yes", is_flag=True, help="Take all keywords without asking.")
@options.backend
@options.as_json
def import_labels(
    target: BackendTarget,
    model: str,
    source: Path,
    photos: Path | None,
    by: str,
    control: str,
    from_keywords: bool,
    keywords: Sequence[str],
    yes: bool,
    as_json: bool,
) -> None:
    """Label the photos of SOURCE for MODEL.

    SOURCE is a folder that `servery labels export` wrote, a CSV file with the columns `file` and
    `class`, or a JSON file that Label Studio exported. Labels that the model has already
    change nothing.

    SOURCE may also have a folder of photos for each class and no file with labels, or be a zip
    file of it: then the model learns from it at once, on top of what it has learned from. If
    this is stopped, the same command continues.

    With --from-keywords, SOURCE is any folder of photos. Their keywords (XMP and IPTC in JPEG
    files, XMP in sidecars) are listed first, and taken if you agree. A photo that has several
    of them is left out.
    """
    if from_keywords:
        if photos or control:
            raise click.UsageError("--photos and --control do not go with --from-keywords.")
        import_keywords(target, model, source, keywords, by, yes=yes, as_json=as_json)
        return
    if keywords or yes:
        raise click.UsageError("--keyword and --yes need --from-keywords.")
    if not has_label_file(source):
        for option, value in (("--photos", photos), ("--by", by), ("--control", control)):
            if value:
                raise click.UsageError(f"{option} is for files with labels; SOURCE is none.")
        show_learned(target.run(lambda client: learn(client, model, source)), as_json)
        return

    async def carry_out(client: BackendClient) -> LabelImport:
        path = await asyncio.to_thread(source.absolute)
        folder = await asyncio.to_thread(photos.absolute) if photos else None
        with ProgressLine() as report:
            return await client.import_labels(
                model, path, report, photos=folder, by=by, control=control
            )

    show_imported(target.run(carry_out), as_json)


@dataclass(frozen=True)
class LearnedModel:
    """What came of a folder of photos."""

    model: ModelSummary
    run: TrainingRun
    report: EvaluationReport | None
    instances_ready: int


async def learn(client: BackendClient, name: str, photos: Path) -> LearnedModel:
    """Let a model learn from a folder or a zip file, and see that it is served then."""
    path = await asyncio.to_thread(photos.resolve)
    with ProgressLine() as progress:
        progress(0, 0, f"Looking at {photos}")
        if await asyncio.to_thread(path.is_dir):
            run = await client.import_folder(name, path)
        else:
            run = await client.import_zip(name, path)
    again = command("labels", "import", run.model, str(photos))
    run = await run_to_its_end(client, run, f"To continue: {again}.")
    with ProgressLine() as progress:
        progress(0, 0, f"Loading {run.model} in every instance")
        model = await client.serve_model(run.model)
    report = None
    if run.version is not None:
        report = await _report(client, run.model, run.version)
    return LearnedModel(model, run, report, (await client.health()).instances_ready)


async def _report(client: BackendClient, model: str, version: int) -> EvaluationReport | None:
    try:
        return await client.report(model, version)
    except BackendRefused as error:
        if error.status == 404:
            return None
        raise


def show_learned(learned: LearnedModel, as_json: bool) -> None:
    """Print what came of it."""
    if as_json:
        print_json(asdict(learned))
        return
    if learned.report is not None:
        for line in import_lines(learned.report):
            print_line(line)
        print_line()
    name = learned.model.name
    if learned.run.decision is Decision.PROMOTED:
        print_line(f"Version {learned.run.version} of {name} is live.")
    else:
        print_line(outcome(learned.run))
    if not learned.instances_ready:
        print_message(f"No instance is running. Start one: {command('fleet', 'start')}.")
    if not learned.model.current:
        named = command("classify", "--model", name, "FILE")
        use = command("models", "use", name)
        print_message(f"It answers when it is named: {named}. Make it the current one: {use}.")
