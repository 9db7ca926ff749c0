"""`servery image`: pull, load, build and list the images that containers run from."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from desktop.commands import options
from desktop.commands.terminal import (
    ProgressLine,
    confirm,
    print_json,
    print_json_lines,
    print_message,
    print_table,
)
from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.image.base_python import DEFAULT_BASE, PYTHON
from serving.engines.docker.image.build import build
from serving.engines.docker.image.constants import IMAGES, OFFICIAL_IMAGE, OWN_IMAGE
from serving.engines.docker.image.lookup import ImageInfo
from serving.engines.docker.image.own_base import BaseMissing, can_install, install_debootstrap
from serving.engines.docker.image.store import ImageStore
from serving.engines.engine_address import chosen_address
from serving.errors import EngineError
from serving.units import format_bytes
from serving.workspace import Workspace

T = TypeVar("T")


@click.group()
def image() -> None:
    """Get the image that containers run from."""


@image.command()
@click.argument("name", default=OFFICIAL_IMAGE)
@options.as_json
def pull(name: str, as_json: bool) -> None:
    """Pull an image from its registry.

    NAME is the official image of TensorFlow Serving by default.
    """

    async def work(store: ImageStore) -> ImageInfo:
        with ProgressLine() as report:
            return await store.pull(name, report)

    _show_new(with_store(work), as_json)


@image.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@options.as_json_lines
def load(file: Path, as_json: bool) -> None:
    """Load images from FILE.

    It is an archive that `docker save` wrote. No registry is needed.
    """

    async def work(store: ImageStore) -> list[ImageInfo]:
        with ProgressLine() as report:
            names = await store.load(file, report)
        return [await store.find([name]) or ImageInfo(name) for name in names]

    for loaded in with_store(work):
        _show_new(loaded, as_json)


@image.command(name="build")
@click.option(
    "--base",
    default=DEFAULT_BASE,
    show_default=True,
    help=f"The base: the name of an image that has {PYTHON}, a tar archive of a file system, or"
    " a file that `docker save` wrote.",
)
@click.option("--tag", default=OWN_IMAGE, show_default=True, help="Name of the new image.")
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of wheels to take the packages from, instead of the installed ones.",
)
@click.option(
    "--install-debootstrap",
    "installs",
    is_flag=True,
    help="Install Debian's debootstrap first, if it is missing: it makes the default base where no"
    " registry can be reached. Takes root.",
)
@click.option("--verbose", is_flag=True, help="Print the output of the build.")
@options.as_json
def build_own(
    base: str, tag: str, wheels: Path | None, installs: bool, verbose: bool, as_json: bool
) -> None:
    """Build an image of Servery's own model server.

    It is built from the packages that are installed here. Its default base is pulled, or,
    where no registry can be reached, made by debootstrap if that is installed and root
    runs this.
    """
    if installs and shutil.which("debootstrap") is None:
        if not can_install():
            raise EngineError(
                "debootstrap can only be installed by root, on Debian and its relatives.",
                "Run this as root there, or give a base with --base.",
            )
        install_debootstrap()

    async def work(store: ImageStore) -> ImageInfo:
        with ProgressLine() as report:
            on_line = print_message if verbose else None
            return await build(store, tag, base, wheels, report, on_line)

    try:
        built = with_store(work)
    except BaseMissing as error:
        if not error.can_install or not is_interactive():
            raise
        print_message(error.what)
        confirm("Install debootstrap, a package of Debian that makes the base?")
        install_debootstrap()
        built = with_store(work)
    _show_new(built, as_json)


@image.command(name="list")
@options.as_json_lines
def list_images(as_json: bool) -> None:
    """List the known images and whether the engine has them."""

    async def work(store: ImageStore) -> list[tuple[str, int | None]]:
        found = [(name, await store.find([name])) for name in IMAGES]
        return [(name, None if image is None else image.size) for name, image in found]

    sizes = with_store(work)
    if as_json:
        print_json_lines({"name": name, "size": size} for name, size in sizes)
    else:
        rows = [(name, "-" if size is None else format_bytes(size)) for name, size in sizes]
        print_table(("IMAGE", "SIZE"), rows)


def is_interactive() -> bool:
    """Whether there is somebody at a terminal who can answer."""
    return sys.stdin.isatty()


def _show_new(image: ImageInfo, as_json: bool) -> None:
    """Print an image that the engine has from now on."""
    if as_json:
        print_json({"name": image.name, "size": image.size})
    else:
        print_message(f"The container engine has the image {image.name} now.")


def with_store(work: Callable[[ImageStore], Awaitable[T]]) -> T:
    """Do work with the images of the engine that is chosen for the workspace."""
    workspace: Workspace = click.get_current_context().obj

    async def carry_out() -> T:
        connection = EngineConnection(address=chosen_address(workspace))
        try:
            return await work(ImageStore(connection))
        finally:
            await connection.close()

    return asyncio.run(carry_out())
