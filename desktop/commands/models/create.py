"""`servery models new` and `add`: models of one's own, and built-in ones."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import click

from backend.client import BackendClient
from backend.contract import BuiltInSummary, CatalogueEntry, ModelSummary, NewModel
from desktop.commands import options
from desktop.commands.label_import import PHOTOS, LearnedModel, learn, show_learned
from desktop.commands.models.output import command
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import (
    ProgressLine,
    print_json,
    print_json_lines,
    print_line,
    print_message,
    print_table,
)
from desktop.formats import percent, plural
from desktop.model_imports import wait_for_import
from serving.catalogue.add import MIRROR_VARIABLE
from serving.errors import ModelError
from serving.models.builtin.catalog import DEFAULT_BUILT_IN, built_in_model
from serving.units import format_bytes


@click.command()
@click.argument("name")
@click.option(
    "--from",
    "photos",
    type=PHOTOS,
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
        learned = None if photos is None else await learn(client, model.name, photos)
        if use:
            model = await client.use_model(model.name)
        return model if learned is None else replace(learned, model=model if use else learned.model)

    made = target.run(make)
    if isinstance(made, LearnedModel):
        show_learned(made, as_json)
    elif as_json:
        print_json(asdict(made))
    else:
        print_line(f"{made.name} is ready to learn.")
        labelling = command("label", "--model", made.name, "FILE", "CLASS")
        folder = command("labels", "import", made.name, "FOLDER")
        print_message(f"Label photos with {labelling}, or give it a folder of folders: {folder}.")


@click.command()
@click.argument("name", required=False)
@click.option(
    "--mirror",
    metavar="ADDRESS",
    default="",
    envvar=MIRROR_VARIABLE,
    show_envvar=True,
    help="Download from here instead of from the authors of Keras.",
)
@options.backend
@options.as_json_lines
def add(target: BackendTarget, name: str | None, mirror: str, as_json: bool) -> None:
    """Add the model NAME, or list what can be added.

    Built-in models need no network; the weights of the others are downloaded. A
    download that is stopped goes on with the same command.
    """
    if name is None:
        _list_additions(target, as_json)
        return

    async def bring(client: BackendClient) -> ModelSummary:
        if name in [each.name for each in await client.built_in_models()]:
            return await client.add_built_in(name)
        for each in await client.catalogue():
            if each.name == name and each.installed:
                return await client.model(name)
        started = await client.download_model(name, mirror)
        with ProgressLine() as report:
            return await client.model((await wait_for_import(client, started, report)).name)

    model = target.run(bring)
    if as_json:
        print_json(asdict(model))
    else:
        print_line(f"{model.name} is there, with {plural(model.class_count, 'class', 'classes')}.")
        print_message(f"Let it answer with {command('models', 'use', model.name)}.")


def _list_additions(target: BackendTarget, as_json: bool) -> None:
    async def both(client: BackendClient) -> tuple[list[BuiltInSummary], list[CatalogueEntry]]:
        return await client.built_in_models(), await client.catalogue()

    built_in, catalogue = target.run(both)
    if as_json:
        print_json_lines([*map(asdict, built_in), *map(asdict, catalogue)])
        return
    rows = [_built_in_row(each) for each in built_in] + [_download_row(each) for each in catalogue]
    print_table(("NAME", "THERE", "ACCURACY", "DOWNLOAD", "INPUT", "LICENCE", ""), rows)


def _built_in_row(model: BuiltInSummary) -> tuple[str, ...]:
    measured = "-" if model.accuracy is None else percent(model.accuracy)
    there = "yes" if model.installed else "no"
    known = built_in_model(model.name)
    facts = (there, measured, "none", str(known.input_side), known.licence)
    return (model.name, *facts, model.description)


def _download_row(model: CatalogueEntry) -> tuple[str, ...]:
    return (
        model.name,
        "yes" if model.installed else "no",
        percent(model.accuracy),
        format_bytes(model.size_bytes),
        str(model.input_side),
        model.licence,
        model.description,
    )


async def _unfinished(client: BackendClient, name: str) -> ModelSummary | None:
    """Return the model of this name if it exists and has learned nothing; None without it.

    Raises ModelError if it has learned something: that is no new model.
    """
    for model in await client.models():
        if model.name.casefold() == name.strip().casefold():
            if any(version.training_run for version in model.versions):
                again = command("labels", "import", model.name, "FOLDER")
                raise ModelError(
                    f"There is a model {model.name} already.",
                    f"Choose another name, or let it learn from the folder too: {again}.",
                )
            return model
    return None
