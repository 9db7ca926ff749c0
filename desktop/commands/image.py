"""`servery image`: pull, load, build and list the images that containers run from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from desktop.commands.terminal import ProgressLine, print_message, print_table
from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.image.build import DEFAULT_BASE, build
from serving.engines.docker.image.constants import IMAGES, OFFICIAL_IMAGE, OWN_IMAGE
from serving.engines.docker.image.store import ImageStore
from serving.units import format_bytes

T = TypeVar("T")


@click.group()
def image() -> None:
    """Get the image that containers run from."""


@image.command()
@click.argument("name", default=OFFICIAL_IMAGE)
def pull(name: str) -> None:
    """Pull an image from its registry.

    NAME is the official image of TensorFlow Serving by default.
    """

    async def work(store: ImageStore) -> str:
        with ProgressLine() as report:
            return (await store.pull(name, report)).name

    _print_new(_with_store(work))


@image.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def load(file: Path) -> None:
    """Load images from FILE.

    It is an archive that `docker save` wrote. No registry is needed.
    """

    async def work(store: ImageStore) -> list[str]:
        with ProgressLine() as report:
            return await store.load(file, report)

    _print_new(*_with_store(work))


@image.command(name="build")
@click.option(
    "--base",
    default=DEFAULT_BASE,
    show_default=True,
    help="The base image: a name, or the path of a tar archive.",
)
@click.option("--tag", default=OWN_IMAGE, show_default=True, help="Name of the new image.")
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of wheels to take the packages from, instead of the installed ones.",
)
@click.option("--verbose", is_flag=True, help="Print the output of the build.")
def build_own(base: str, tag: str, wheels: Path | None, verbose: bool) -> None:
    """Build an image of Servery's own model server.

    It is built from the packages that are installed here.
    """

    async def work(store: ImageStore) -> str:
        with ProgressLine() as report:
            on_line = print_message if verbose else None
            return (await build(store, tag, base, wheels, report, on_line)).name

    _print_new(_with_store(work))


@image.command(name="list")
def list_images() -> None:
    """List the known images and whether the engine has them."""

    async def work(store: ImageStore) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for name in IMAGES:
            found = await store.find([name])
            rows.append((name, "-") if found is None else (name, format_bytes(found.size)))
        return rows

    print_table(("IMAGE", "SIZE"), _with_store(work))


def _print_new(*names: str) -> None:
    for name in names:
        print_message(f"The container engine has the image {name} now.")


def _with_store(work: Callable[[ImageStore], Awaitable[T]]) -> T:
    async def carry_out() -> T:
        connection = EngineConnection()
        try:
            return await work(ImageStore(connection))
        finally:
            await connection.close()

    return asyncio.run(carry_out())
