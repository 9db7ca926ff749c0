"""The base that our own image is built on: what there is of it, or what would help."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tarfile
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from serving.engines.docker.errors import EngineUnavailable
from serving.engines.docker.image.base_python import DEFAULT_BASE, PYTHON, SUITE
from serving.engines.docker.image.compatibility import IncompatibleImage
from serving.engines.docker.image.python_images import images_with_python
from serving.engines.docker.image.store import ImageStore
from serving.errors import EngineError
from serving.leftovers import temporary_folder
from serving.programs import child_environment, module_command
from serving.progress import Report

_MAX_NAMED = 5


class BaseMissing(EngineError):
    """There is no base, and no way to get it."""

    def __init__(self, what: str, advice: str, *, can_install: bool) -> None:
        super().__init__(what, advice)
        self.can_install = can_install
        """Whether `install_debootstrap` may help."""


@asynccontextmanager
async def own_base(store: ImageStore, base: str, report: Report) -> AsyncIterator[str]:
    """Yield a base for the length of the block: an image that the engine has, or a tar archive.

    `base` is an image, a tar archive of a file system, or a file that `docker save` wrote. The
    default one is pulled, and made with debootstrap where no registry can be reached. Raises
    BaseMissing, with what would help, if none of this is possible; and EngineError.
    """
    if await asyncio.to_thread(Path(base).is_file):
        yield (await store.load(Path(base), report))[0] if await _is_saved(Path(base)) else base
        return
    if await store.find([base]) is not None:
        yield base
        return
    try:
        await store.pull(base, report)
    except (EngineUnavailable, IncompatibleImage):
        raise
    except EngineError as error:
        if base != DEFAULT_BASE or not can_make_base():
            raise await _missing(store, base, error) from error
    else:
        yield base
        return
    with temporary_folder("base") as folder:
        archive = Path(folder) / "base.tar"
        report(0, 0, "No registry can be reached: making a base with debootstrap, in a minute.")
        await _make_base(archive)
        yield str(archive)


def can_make_base() -> bool:
    """Whether a base can be made here: by root, with debootstrap, of a Debian with this Python."""
    return bool(SUITE) and os.geteuid() == 0 and shutil.which("debootstrap") is not None


def can_install() -> bool:
    """Whether debootstrap is missing, and this user may install it."""
    is_missing = shutil.which("debootstrap") is None
    return is_missing and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_debootstrap() -> None:
    """Install Debian's package; raises EngineError. Blocks."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", "debootstrap"]
    for command in (["apt-get", "update"], install):
        done = subprocess.run(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode and command is install:
            last = done.stdout.strip().splitlines()[-1:] or ["it printed nothing"]
            raise EngineError(
                f"debootstrap could not be installed: {last[0].removesuffix('.')}.",
                "Check that Debian's packages can be reached, or give a base with --base.",
            )


async def _missing(store: ImageStore, base: str, error: EngineError) -> BaseMissing:
    """Return the error that says what would help on this machine."""
    names = []
    with contextlib.suppress(EngineError):
        names = await images_with_python(store.connection)
    if names:
        listed = ", ".join(names[:_MAX_NAMED])
        local = f"name one of the images here that have {PYTHON}, with --base: {listed}"
    else:
        local = f"name an image that has {PYTHON}, with --base (there is none here)"
    ways = ["load a base from a file (`--base FILE.tar`)", local]
    if base == DEFAULT_BASE and SUITE:
        ways.insert(0, _with_debootstrap())
    return BaseMissing(
        f"The base {base} is not here and cannot be pulled. {error.what}",
        f"One of these helps: {'; '.join(ways)}.",
        can_install=base == DEFAULT_BASE and bool(SUITE) and can_install(),
    )


def _with_debootstrap() -> str:
    """Say how debootstrap could make the base here, as part of a sentence."""
    if shutil.which("debootstrap") is not None:
        return "run `servery image build` as root, for whom debootstrap makes the base"
    if can_install():
        return (
            "install debootstrap, which makes the base: `servery image build --install-debootstrap`"
        )
    return (
        "install debootstrap (`apt-get install debootstrap`) and run `servery image build` as"
        " root, for whom it makes the base"
    )


async def _is_saved(path: Path) -> bool:
    """Whether `docker save` wrote a file, and not `tar` of a file system."""

    def look() -> bool:
        try:
            with tarfile.open(path) as archive:
                return any(member.name == "manifest.json" for member in archive)
        except (OSError, tarfile.TarError):
            return False  # the engine says what is wrong with it

    return await asyncio.to_thread(look)


async def _make_base(archive: Path) -> None:
    """Run debootstrap in a process of its own, which ends when this is cancelled."""
    process = await asyncio.create_subprocess_exec(
        *module_command("serving.engines.docker.image.base_image"),
        str(archive),
        stdout=PIPE,
        stderr=STDOUT,
        env=child_environment(),
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            # To the whole group, so that debootstrap unmounts what it has mounted.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            await asyncio.shield(process.wait())
    if process.returncode:
        last = output.decode(errors="replace").strip().splitlines()[-1:] or ["It failed."]
        raise EngineError(last[0], "Check that Debian's packages can be reached, and try again.")
