"""`servery models image`, `images` and `image-settings`: container images of versions."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from backend.client import BackendClient
from backend.contract import ImageBuild, ImageSettings, NewImage
from desktop.commands import options
from desktop.commands.connections import chosen_model
from desktop.commands.models.output import command
from desktop.commands.options import BackendTarget
from desktop.commands.terminal import (
    ProgressLine,
    print_json,
    print_json_lines,
    print_line,
    print_lines,
    print_message,
    print_table,
)
from desktop.model_images import outcome, wait_for_image
from desktop.moments import moment_in_full
from serving.errors import ModelError
from serving.text.shell import joined
from serving.units import format_bytes


def _argument(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text} is not of the form NAME=VALUE.")
    return name, value


@click.command()
@click.argument("name", metavar="NAME[:VERSION]")
@click.option(
    "--tag",
    default="",
    help="Name of the image; {model} and {version} stand for these.  [default: the model's"
    " setting, {model}:{version} at first]",
)
@click.option(
    "--base",
    default="",
    metavar="IMAGE",
    help="Image of a model server to build on, or a file of one that `docker save` wrote."
    "  [default: the first that the engine has]",
)
@click.option(
    "--build-arg",
    "arguments",
    type=_argument,
    metavar="NAME=VALUE",
    multiple=True,
    help="Build argument: RUN_AS, the user and group that the server runs as, or a proxy.",
)
@click.option("--push", is_flag=True, help="Push it to the registry that its name begins with.")
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Save it as a file that `docker load` reads.",
)
@click.option("--verbose", is_flag=True, help="Print the log of the build at the end.")
@options.backend
@options.as_json
def image(
    target: BackendTarget,
    name: str,
    tag: str,
    base: str,
    arguments: tuple[tuple[str, str], ...],
    push: bool,
    save: Path | None,
    verbose: bool,
    as_json: bool,
) -> None:
    """Make a container image of a version of the model NAME.

    It serves that version by itself, with no folder mounted:
    docker run -p 8500:8500 -p 8501:8501 TAG. Without VERSION, it is the live one.
    Credentials for --push are those that `docker login` has stored.
    """
    new = NewImage(
        tag,
        str(Path(base).resolve()) if base and Path(base).is_file() else base,
        dict(arguments),
        push,
        str(save.resolve()) if save is not None else "",
    )

    async def make(client: BackendClient) -> ImageBuild:
        model, number = await _version(client, name)
        build = await client.make_image(model, number, new)
        try:
            with ProgressLine() as report:
                return await wait_for_image(client, build, report)
        except asyncio.CancelledError:
            print_message(f"The image {build.tag} was cancelled; nothing of it is left.")
            raise
        finally:
            if verbose:
                for line in (await client.image_log(build.id)).splitlines():
                    print_message(line)

    build = target.run(make)
    if as_json:
        print_json(asdict(build))
        return
    for sentence in outcome(build):
        print_line(sentence)
    run = ["docker", "run", "-p", "8500:8500", "-p", "8501:8501", build.tag]
    print_message(f"Run it: {joined(run)}. Its log is {build.log}.")


async def _version(client: BackendClient, name: str) -> tuple[str, int]:
    """Return the model and the version that NAME[:VERSION] names."""
    name, colon, text = name.partition(":")
    model = await chosen_model(client, name)
    if not colon:
        if model.live_version is None:
            raise ModelError(
                f"No version of model {model.name} is live.",
                f"Name one after a colon: {model.name}:1.",
            )
        return model.name, model.live_version
    if not (text.isascii() and text.isdigit()):
        raise ModelError(
            f"{text or 'Nothing'} is not the number of a version.",
            f"List them: {command('models', 'versions', model.name)}.",
        )
    return model.name, int(text)


@click.command()
@click.argument("name", required=False)
@click.option("--log", "build_id", metavar="ID", help="Print the log of one instead.")
@options.backend
@options.as_json_lines
def images(target: BackendTarget, name: str | None, build_id: str | None, as_json: bool) -> None:
    """List the images that were made of NAME, or of all.

    The newest come first.
    """
    if build_id:
        log = target.run(lambda client: client.image_log(build_id))
        if as_json:
            print_json_lines({"id": build_id, "line": line} for line in log.splitlines())
        else:
            print_lines(log)
        return
    found = target.run(lambda client: client.image_builds(name))
    if as_json:
        print_json_lines(asdict(build) for build in found)
        return
    if not found:
        print_message("No image was made yet.")
        return
    print_table(
        ("ID", "MODEL", "IMAGE", "STATE", "ADDED", "CREATED"),
        [
            (
                build.id,
                f"{build.model} v{build.version}",
                build.tag,
                build.state.value,
                format_bytes(build.added_bytes) if build.added_bytes else "-",
                moment_in_full(build.created),
            )
            for build in found
        ],
    )
    for build in found:
        if build.error:
            print_message(f"{build.id}: {build.error} {build.advice}".rstrip())


@click.command(name="image-settings")
@click.argument("name")
@click.option("--tag", help="Name of the images, with {model} and {version} in it.")
@click.option(
    "--after-promotion/--no-after-promotion",
    "after_promotion",
    default=None,
    help="Make the image of each version that is promoted.",
)
@click.option("--base", help="Base of those images; empty for the first that the engine has.")
@click.option("--push/--no-push", "push", default=None, help="Push those images.")
@click.option("--keep", type=click.IntRange(min=1), help="How many of the newest images stay.")
@options.backend
@options.as_json
def image_settings(target: BackendTarget, name: str, as_json: bool, **options: Any) -> None:
    """Set or print how images of the model NAME are made.

    With --after-promotion each version that goes live gets its image by itself, in the
    background: a failure is reported and keeps nothing from going live. Older images
    that Servery made of the model are removed, unless a container uses them.
    """
    changed = {key: value for key, value in options.items() if value is not None}

    async def carry_out(client: BackendClient) -> ImageSettings:
        settings = await client.image_settings(name)
        if changed:
            settings = await client.set_image_settings(name, replace(settings, **changed))
        return settings

    settings = target.run(carry_out)
    if as_json:
        print_json(asdict(settings))
        return
    when = "made after each promotion" if settings.after_promotion else "made when you ask for it"
    pushed = " and pushed" if settings.after_promotion and settings.push else ""
    print_line(f"Images of {name} are called {settings.tag}, {when}{pushed}.")
    print_line(f"The newest {settings.keep} stay.")
