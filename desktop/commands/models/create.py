"""`servery models new`, `import` and `add`: models of one's own, and built-in ones."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from backend.client import BackendClient, BackendRefused
from backend.contract import (
    BuiltInSummary,
    Decision,
    EvaluationReport,
    ModelSummary,
    NewModel,
    TrainingRun,
)
from desktop.commands import options
from desktop.commands.models.output import command, import_lines, outcome
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import (
    ProgressLine,
    print_json,
    print_line,
    print_message,
    print_table,
)
from desktop.commands.training import run_to_its_end
from desktop.formats import percent, plural
from serving.errors import ModelError
from serving.models.builtin.catalog import DEFAULT_BUILT_IN

_photos = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("name")
@click.option(
    "--from",
    "photos",
    type=_photos,
    metavar="FOLDER",
    help="Learn at once from a folder with a folder of photos for each class, or a zip file of it.",
)
@click.option(
    "--backbone",
    metavar="MODEL",
    default=DEFAULT_BUILT_IN,
    show_default=True,
    help="Model whose network it uses: a built-in one or one of the workspace.",
)
@click.option(
    "--keep-classes", is_flag=True, help="Begin with the classes of the backbone, not with none."
)
@click.option("--use", is_flag=True, help="Make it the current model.")
@options.backend
@options.as_json
def new(
    target: BackendTarget,
    name: str,
    photos: Path | None,
    backbone: str,
    keep_classes: bool,
    use: bool,
    as_json: bool,
) -> None:
    """Make a model of your own, called NAME.

    It has no classes but those that you teach it, by labels or by a folder of folders.
    With --from it learns from the folder and is served at the end. If that is stopped,
    the same command continues.
    """

    async def make(client: BackendClient) -> ModelSummary | LearnedModel:
        model = await _unfinished(client, name) if photos else None
        if model is None:
            model = await client.create_model(NewModel(name, backbone, keep_classes))
        else:
            print_message(f"{model.name} is there and has learned nothing yet; this continues it.")
        learned = None if photos is None else await _learn(client, model.name, photos)
        if use:
            model = await client.use_model(model.name)
        return model if learned is None else replace(learned, model=model if use else learned.model)

    made = target.run(make)
    if isinstance(made, LearnedModel):
        _show(made, as_json)
    elif as_json:
        print_json(asdict(made))
    else:
        print_line(f"{made.name} is ready to learn.")
        labelling = command("label", "--model", made.name, "FILE", "CLASS")
        folder = command("models", "import", made.name, "FOLDER")
        print_message(f"Label photos with {labelling}, or give it a folder of folders: {folder}.")


@click.command(name="import")
@click.argument("name")
@click.argument("folder", type=_photos)
@options.backend
@options.as_json
def learn_from(target: BackendTarget, name: str, folder: Path, as_json: bool) -> None:
    """Let the model NAME learn from FOLDER.

    FOLDER has a folder of photos for each class, or is a zip file of it. Photos that the
    model has learned from stay; those of the folder come on top. If this is stopped, the
    same command continues.
    """
    _show(target.run(lambda client: _learn(client, name, folder)), as_json)


@click.command()
@click.argument("name", required=False)
@options.backend
@options.as_json
def add(target: BackendTarget, name: str | None, as_json: bool) -> None:
    """Add the built-in model NAME, or list the built-in models."""
    if name is None:
        found = target.run(lambda client: client.built_in_models())
        if as_json:
            print_json([asdict(model) for model in found])
        else:
            print_table(("NAME", "THERE", "ACCURACY", ""), [_built_in_row(each) for each in found])
        return
    model = target.run(lambda client: client.add_built_in(name))
    if as_json:
        print_json(asdict(model))
    else:
        print_line(f"{model.name} is there, with {plural(model.class_count, 'class', 'classes')}.")


def _built_in_row(model: BuiltInSummary) -> tuple[str, ...]:
    measured = "-" if model.accuracy is None else percent(model.accuracy)
    return (model.name, "yes" if model.installed else "no", measured, model.description)


@dataclass(frozen=True)
class LearnedModel:
    """What came of a folder of photos."""

    model: ModelSummary
    run: TrainingRun
    report: EvaluationReport | None
    instances_ready: int


async def _unfinished(client: BackendClient, name: str) -> ModelSummary | None:
    """Return the model of this name if it exists and has learned nothing; None without it.

    Raises ModelError if it has learned something: that is no new model.
    """
    for model in await client.models():
        if model.name.casefold() == name.strip().casefold():
            if any(version.training_run for version in model.versions):
                again = command("models", "import", model.name, "FOLDER")
                raise ModelError(
                    f"There is a model {model.name} already.",
                    f"Choose another name, or let it learn from the folder too: {again}.",
                )
            return model
    return None


async def _learn(client: BackendClient, name: str, photos: Path) -> LearnedModel:
    """Let a model learn from a folder or a zip file, and see that it is served then."""
    path = await asyncio.to_thread(photos.resolve)
    with ProgressLine() as progress:
        progress(0, 0, f"Looking at {photos}")
        if await asyncio.to_thread(path.is_dir):
            run = await client.import_folder(name, path)
        else:
            run = await client.import_zip(name, path)
    again = command("models", "import", run.model, str(photos))
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


def _show(learned: LearnedModel, as_json: bool) -> None:
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
