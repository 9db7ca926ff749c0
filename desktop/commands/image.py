"""`servery image`: what containers run from is pulled, loaded, built and listed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from desktop.commands.terminal import PercentLine, print_table, say
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
    """Pull NAME from its registry; TensorFlow Serving unless given."""

    async def work(store: ImageStore) -> str:
        with PercentLine() as report:
            return (await store.pull(name, report)).name

    say(f"The container engine has the image {_with_store(work)} now.")


@image.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def load(file: Path) -> None:
    """Load the images in FILE, which `docker save` wrote, where no registry can be reached."""

    async def work(store: ImageStore) -> list[str]:
        with PercentLine() as report:
            return await store.load(file, report)

    for name in _with_store(work):
        say(f"The container engine has the image {name} now.")


@image.command(name="build")
@click.option("--base", default=DEFAULT_BASE, show_default=True, help="An image, or a tar archive.")
@click.option("--tag", default=OWN_IMAGE, show_default=True, help="The name of the new image.")
@click.option(
    "--wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of wheels to take the packages from, instead of the installed ones.",
)
@click.option("--verbose", is_flag=True, help="Print what the build prints.")
def build_own(base: str, tag: str, wheels: Path | None, verbose: bool) -> None:
    """Build our own image of the model server from what is installed here."""

    async def work(store: ImageStore) -> str:
        with PercentLine() as report:
            return (await build(store, tag, base, wheels, report, say if verbose else None)).name

    say(f"The container engine has the image {_with_store(work)} now.")


@image.command(name="list")
def list_images() -> None:
    """Show which of the usual images the container engine has."""

    async def work(store: ImageStore) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for name in IMAGES:
            found = await store.find([name])
            rows.append((name, "-") if found is None else (name, format_bytes(found.size)))
        return rows

    print_table(("IMAGE", "SIZE"), _with_store(work))


def _with_store(work: Callable[[ImageStore], Awaitable[T]]) -> T:
    async def carry_out() -> T:
        connection = EngineConnection()
        try:
            return await work(ImageStore(connection))
        finally:
            await connection.close()

    return asyncio.run(carry_out())
