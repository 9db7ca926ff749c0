"""A base for our image if no registry can be reached: Debian, made from its packages.

python -m serving.engines.docker.image.base_image debian.tar
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from serving.engines.docker.image.base_python import PYTHON, SUITE
from serving.errors import EngineError, ServeryError
from serving.leftovers import temporary_folder

PACKAGES = (f"{PYTHON}-minimal", f"lib{PYTHON}-stdlib", "libstdc++6", "libgcc-s1")
_SKIPPED = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "dev",
)


def make_base(target: Path) -> None:
    """Write a tar archive of a small Debian with Python; needs root and takes a minute.

    Raises EngineError if `debootstrap` is missing or fails, or Debian has no such Python.
    """
    program = shutil.which("debootstrap")
    if program is None or os.geteuid() != 0:
        raise EngineError(
            "A base is made by debootstrap as root.",
            "Install debootstrap and run this as root, or name an image with --base.",
        )
    if not SUITE:
        raise EngineError(
            f"No release of Debian has {PYTHON}, which runs here.",
            f"Name an image that has {PYTHON} with --base.",
        )
    with temporary_folder("base") as scratch:
        root = Path(scratch) / "root"
        include = f"--include={','.join(PACKAGES)}"
        process = subprocess.run(
            [program, "--variant=minbase", include, SUITE, str(root)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if process.returncode:
            last = process.stdout.strip().splitlines()[-1:] or ["It printed nothing."]
            raise EngineError(
                f"debootstrap exited with status {process.returncode}: {last[0]}",
                "Check that Debian's packages can be reached, and try again.",
            )
        aside = target.with_name(f".{target.name}.part")
        try:
            with tarfile.open(aside, "w") as archive:
                archive.add(root, arcname=".", filter=_skip_unneeded)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)


def _skip_unneeded(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    name = member.name.removeprefix("./")
    return None if any(name.startswith(f"{folder}/") for folder in _SKIPPED) else member


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m serving.engines.docker.image.base_image", description=__doc__
    )
    parser.add_argument("target", type=Path, help="the tar archive to write")
    try:
        make_base(parser.parse_args().target)
    except ServeryError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
