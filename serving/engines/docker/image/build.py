"""Build our own image of the model server from what is on this machine.

Nothing is pulled but the base, and not even that if it is a tar archive (see
`base_image.py`) or an image that the engine has.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from serving.engines.docker.image.base_python import DEFAULT_BASE, PYTHON
from serving.engines.docker.image.constants import IMPORTED_BASES, OWN_IMAGE
from serving.engines.docker.image.contents import (
    LIBRARIES,
    build_files,
    installed_files,
    wheel_files,
)
from serving.engines.docker.image.lookup import ImageInfo
from serving.engines.docker.image.own_base import own_base
from serving.engines.docker.image.store import ImageStore
from serving.engines.docker.tar_archive import Member, tar_archive
from serving.leftovers import temporary_folder
from serving.progress import Report, no_report
from serving.version import VERSION


async def build(
    store: ImageStore,
    tag: str = OWN_IMAGE,
    base: str = DEFAULT_BASE,
    wheels: Path | None = None,
    report: Report = no_report,
    on_line: Callable[[str], None] | None = None,
) -> ImageInfo:
    """Build the image and return it.

    `base` is what `own_base` takes, `wheels` a folder to take the packages from
    instead of the installed ones. `on_line` gets each line that the build prints.
    Raises BaseMissing if there is no base, and EngineError.
    """
    with temporary_folder("image") as scratch:
        packages = installed_files() if wheels is None else wheel_files(wheels)
        arguments = {"VERSION": VERSION, "PYTHON": PYTHON}
        async with own_base(store, base, report) as found:
            members = await asyncio.to_thread(
                lambda: strip_libraries(build_files(packages), Path(scratch))
            )
            return await build_from_files(store, tag, found, members, report, on_line, arguments)


async def build_from_files(
    store: ImageStore,
    tag: str,
    base: str,
    members: Sequence[Member],
    report: Report = no_report,
    on_line: Callable[[str], None] | None = None,
    arguments: Mapping[str, str] | None = None,
    build_id: str = "",
    target: str = "",
) -> ImageInfo:
    """Build an image from these files, a Dockerfile with an argument BASE among them.

    `arguments` are those of the Dockerfile besides BASE and BUILD_ID. `build_id` is by what the
    caller removes what is left if this program is killed; by default one that nobody knows.
    `target` is the stage that becomes the image, the last one by default.
    """
    # A name of its own: others may build on the same engine at the same time.
    build_id = build_id or secrets.token_hex(8)
    imported = f"{IMPORTED_BASES}:{build_id}" if await asyncio.to_thread(Path(base).is_file) else ""
    if imported:
        await store.import_base(Path(base), imported, report)
    try:
        return await store.build(
            tag,
            tar_archive(members),
            sum(member.size for member in members),
            {**(arguments or {}), "BASE": imported or base, "BUILD_ID": build_id},
            report,
            on_line,
            target,
        )
    finally:
        if imported:
            await store.remove(imported)
        await store.remove_build_leftovers(build_id)


def strip_libraries(members: Sequence[Member], scratch: Path) -> list[Member]:
    """Return `members` with TensorFlow's libraries freed of what only debuggers read.

    That is a fifth of their size. They stay as they are if this machine has no
    `strip` that can read them.
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
    command = [program, "--strip-unneeded", "-o", str(after), str(before)]
    failed = subprocess.run(command, capture_output=True).returncode
    before.unlink()
    return member if failed else Member.of(member.name, after)
