"""`servery stack`: the files by which Compose, Swarm or Kubernetes run all of this."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from desktop.commands import options
from desktop.commands.image import with_store
from desktop.commands.terminal import (
    ProgressLine,
    print_json,
    print_json_lines,
    print_line,
    print_message,
)
from desktop.stack_export import export_stack, next_steps
from serving.engines.docker.image.base_python import DEFAULT_BASE, PYTHON
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.stack_images.build import StackImage, build_stack_image
from serving.stack.plan import (
    API_IMAGE,
    POSTGRES_IMAGE,
    TRAINER_IMAGE,
    StackFormat,
    StackPlan,
)
from serving.units import format_bytes, parse_bytes


@click.group()
def stack() -> None:
    """Run all parts with Compose, Swarm or Kubernetes."""


def _size(text: str) -> int:
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_DEFAULTS = StackPlan(StackFormat.COMPOSE, "")


@stack.command()
@click.option(
    "--format",
    "format_name",
    type=click.Choice([each.value for each in StackFormat]),
    required=True,
    help="What is to run the stack.",
)
@click.option(
    "--image",
    required=True,
    metavar="IMAGE",
    help="Image of a version of a model, as `servery models image` makes it.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="New or empty folder for the files.  [default: the stack's name]",
)
@click.option(
    "--instances", type=click.IntRange(min=1), default=_DEFAULTS.instances, show_default=True
)
@click.option(
    "--api-replicas",
    type=click.IntRange(min=1),
    default=_DEFAULTS.api_replicas,
    show_default=True,
    help="How often the API runs.",
)
@click.option("--name", default=_DEFAULTS.name, show_default=True, help="Name of the stack.")
@click.option("--api-image", default=API_IMAGE, show_default=True)
@click.option("--trainer-image", default=TRAINER_IMAGE, show_default=True)
@click.option("--postgres-image", default=POSTGRES_IMAGE, show_default=True)
@click.option("--host", default="", metavar="NAME", help="Host name by which browsers reach it.")
@click.option("--port", default=_DEFAULTS.port, show_default=True, help="Port of the API.")
@click.option(
    "--memory",
    "instance_memory",
    type=_size,
    default="2GiB",
    show_default=True,
    help="Memory that an instance may take.",
)
@click.option(
    "--cpus",
    "instance_cpus",
    type=float,
    default=_DEFAULTS.instance_cpus,
    show_default=True,
    help="Cores that an instance may take.",
)
@click.option(
    "--shared-folder",
    default="",
    metavar="PATH",
    help="Swarm: folder that every node has, such as a network file system. Without it, each"
    " version travels as an image.",
)
@click.option(
    "--storage-class",
    default="",
    metavar="NAME",
    help="Kubernetes: class of the volume that pods of several nodes mount.",
)
@options.as_json_lines
def export(format_name: str, output: Path | None, as_json: bool, **choices: Any) -> None:
    """Write the files of a stack.

    They have instances of a model, the API in front of them, the trainer, and what keeps labels
    and models, with limits, health checks and a way to update. Read the README.md among them.
    """
    plan = StackPlan(StackFormat(format_name), **choices)
    folder = output if output is not None else Path(plan.name)
    files = with_store(lambda store: export_stack(plan, folder, store))
    if as_json:
        print_json_lines({"file": str(path)} for path in files)
        return
    for path in files:
        print_line(str(path))
    print_message(next_steps(folder))


@stack.command(name="build")
@click.option(
    "--base",
    default=DEFAULT_BASE,
    show_default=True,
    help=f"The base: the name of an image that has {PYTHON}, a tar archive of a file system, or"
    " a file that `docker save` wrote.",
)
@click.option("--api-image", default=API_IMAGE, show_default=True, help="Name of the API's image.")
@click.option(
    "--trainer-image", default=TRAINER_IMAGE, show_default=True, help="Name of the trainer's image."
)
@click.option(
    "--only", type=click.Choice([each.value for each in StackImage]), help="Build only this one."
)
@click.option(
    "--push", is_flag=True, help="Push them to the registries that their names begin with."
)
@click.option("--verbose", is_flag=True, help="Print the output of the builds.")
@options.as_json_lines
def build_images(
    base: str,
    api_image: str,
    trainer_image: str,
    only: str | None,
    push: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Build the images of the API and the trainer.

    They are built from the packages that are installed here. The API's has no TensorFlow.
    """
    tags = {StackImage.API: api_image, StackImage.TRAINER: trainer_image}
    on_line = print_message if verbose else None

    async def work(store: ImageStore) -> None:
        for target, tag in tags.items():
            if only not in (None, target):
                continue
            with ProgressLine() as report:
                made = await build_stack_image(store, target, tag, base, report, on_line)
            print_message(f"The container engine has the image {tag} now.")
            if not as_json:
                print_line(f"{tag}  {format_bytes(made.size)}")
            digest = ""
            if push:
                with ProgressLine() as report:
                    digest = await store.push(tag, report, on_line)
                print_message(f"The registry has it as {digest}.")
            if as_json:
                print_json({"name": tag, "size": made.size, "digest": digest})

    with_store(work)
