"""Build our own image of the model server from what is on this machine.

    python -m serving.engines.docker.image.build \\
        [--base debian:bookworm-slim | FILE.tar] [--tag NAME]

Nothing is pulled but the base, and not even that where it is a tar archive (see
`serving.engines.docker.image.base_image`) or an image that the engine has.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from serving.engines.docker.connection import EngineConnection
from serving.engines.docker.image.constants import OWN_IMAGE
from serving.engines.docker.image.contents import (
    LIBRARIES,
    Member,
    build_files,
    installed_files,
    open_binary,
    wheel_files,
)
from serving.engines.docker.image.lookup import ImageInfo
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.tar_archive import tar_archive
from serving.errors import ServeryError
from serving.progress import Report, no_report
from serving.units import format_bytes
from serving.version import VERSION

DEFAULT_BASE = "debian:bookworm-slim"
IMPORTED_BASE = "servery/base:imported"
"""What a base from a tar archive is called while the image is built."""


async def build(
    store: ImageStore,
    tag: str = OWN_IMAGE,
    base: str = DEFAULT_BASE,
    wheels: Path | None = None,
    report: Report = no_report,
    say: Callable[[str], None] = print,
) -> ImageInfo:
    """Build the image and return it; `say` gets each line that is printed. Raises EngineError."""
    with tempfile.TemporaryDirectory(prefix="servery-image-") as scratch:
        packages = installed_files() if wheels is None else wheel_files(wheels)
        members = await asyncio.to_thread(
            lambda: strip_libraries(build_files(packages), Path(scratch))
        )
        return await build_from_files(store, tag, base, members, report, say)


async def build_from_files(
    store: ImageStore,
    tag: str,
    base: str,
    members: Sequence[Member],
    report: Report = no_report,
    say: Callable[[str], None] = print,
) -> ImageInfo:
    """Build an image from these files, a Dockerfile with an argument BASE among them."""
    imported = await asyncio.to_thread(Path(base).is_file)
    if imported:
        await store.import_base(Path(base), IMPORTED_BASE, report)
    try:
        return await store.build(
            tag,
            tar_archive(members),
            sum(member.size for member in members),
            {"BASE": IMPORTED_BASE if imported else base, "VERSION": VERSION},
            report,
            say,
        )
    finally:
        if imported:
            await store.remove(IMPORTED_BASE)


def strip_libraries(members: Sequence[Member], scratch: Path) -> list[Member]:
    """Return `members` with TensorFlow's libraries freed of what only debuggers read.

    That is a fifth of their size. They stay as they are where this machine has
    no `strip` for them.
    """
    program = shutil.which("strip")
    return [
        _strip_library(member, scratch, program)
        if program and Path(member.name).name in LIBRARIES
        else member
        for member in members
    ]


def _strip_library(member: Member, scratch: Path, program: str) -> Member:
    before, after = scratch / "before", scratch / Path(member.name).name
    with before.open("wb") as copy, member.open() as original:
        shutil.copyfileobj(original, copy, 2**20)
    done = subprocess.run(
        [program, "--strip-unneeded", "-o", str(after), str(before)], capture_output=True
    )
    before.unlink()
    if done.returncode:
        return member
    return replace(member, size=after.stat().st_size, open=partial(open_binary, after))


async def _main(arguments: argparse.Namespace) -> None:
    connection = EngineConnection()
    try:
        image = await build(
            ImageStore(connection), arguments.tag, arguments.base, arguments.wheels, _Printed()
        )
    finally:
        await connection.close()
    print(f"Built {image.name}, {format_bytes(image.size)}.")


class _Printed:
    """A report that prints each tenth of the way."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, done: int, total: int, text: str) -> None:
        if done >= self._next:
            self._next = done - done % 10 + 10
            print(f"Sent {text}", flush=True)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m serving.engines.docker.image.build", description=__doc__
    )
    parser.add_argument("--base", default=DEFAULT_BASE, help="an image, or a tar archive of one")
    parser.add_argument("--tag", default=OWN_IMAGE, help="the name of the new image")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels to take packages from")
    try:
        asyncio.run(_main(parser.parse_args(words)))
    except ServeryError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
