"""What goes into the image of a version: what a server loads, the card and the licences."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from serving.engines.docker.model_image.labels import BAKED_MODELS, BAKED_MONITORING
from serving.engines.docker.tar_archive import Member
from serving.errors import ModelError, storage_error
from serving.models.card import CARD_PATH
from serving.models.checksums import changed_files, recorded_checksums
from serving.models.serving_config import MONITORING
from serving.models.version import Version
from serving.tf.names import WARM_UP_FILE
from serving.tf.status import ServingError
from serving.tf.version_files import check_files

_EXTRA = "assets.extra"
_TAKEN = {CARD_PATH.as_posix(), WARM_UP_FILE.as_posix(), f"{_EXTRA}/LICENSE", f"{_EXTRA}/NOTICE"}
"""Of the files beside the model itself. The others say what training measured, and on which photos:
they are the person's, and no server reads them."""
HEALTH = "/usr/bin/servery_model_health.sh"
CHECKSUMS = "/etc/servery/model.sha256"
"""Of the files of the version in the image, as `sha256sum -c` reads them."""
_HERE = Path(__file__).parent


def folder_of(model: str, version: int) -> str:
    """Return the folder of a version in its image."""
    return f"{BAKED_MODELS}/{model}/{version}"


def version_files(version: Version) -> list[Member]:
    """Return the files of a version that its image holds, by their paths in the version.

    Raises ModelError if they are not as they were made, or lead out of the version's folder.
    """
    try:
        check_files(version.path, version.path)
        changed = changed_files(version.path)
        if changed:
            raise ModelError(
                f"Files of version {version.number} of {version.model} were changed since it was"
                f" made: {', '.join(changed[:5])}.",
                "Make the image of another version, or train a new one.",
            )
        return list(_members(version.path))
    except ServingError as error:
        raise ModelError(
            f"Version {version.number} of {version.model} cannot be put into an image:"
            f" {error.message}",
            "Make the image of another version.",
        ) from error
    except OSError as error:
        what = f"Version {version.number} of {version.model} cannot be read"
        raise storage_error(error, version.path, what, ModelError) from error


def build_files(version: Version, dockerfile: str) -> list[Member]:
    """Return the files of the image, below `image`, and the Dockerfile; raises ModelError."""
    folder = f"image{folder_of(version.model, version.number)}"
    files = version_files(version)
    checksums = _checksums(version.path, [member.name for member in files])
    return [
        _text("Dockerfile", dockerfile),
        Member.of(f"image{HEALTH}", _HERE / "health.sh", executable=True),
        _text(f"image{CHECKSUMS}", checksums),
        _text(f"image{BAKED_MONITORING}", MONITORING),
        *(replace(each, name=f"{folder}/{each.name}", writable=False) for each in files),
        # After their files, which an engine without root could not write into them.
        *(Member(f"{each}/", 0, io.BytesIO, writable=False) for each in _folders(folder, files)),
    ]


def _folders(folder: str, files: list[Member]) -> list[str]:
    """Return the folders of a version's files below and with `folder`, the innermost first."""
    found = {parent for file in files for parent in PurePosixPath(folder, file.name).parents}
    return sorted((str(each) for each in found if each.is_relative_to(folder)), reverse=True)


def _text(name: str, text: str) -> Member:
    content = text.encode()
    return Member(name, len(content), partial(io.BytesIO, content))


def _members(folder: Path) -> Iterator[Member]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and (PurePosixPath(name).parts[0] != _EXTRA or name in _TAKEN):
            yield Member.of(name, path)


def _checksums(folder: Path, names: list[str]) -> str:
    """Return the checksums of files as `sha256sum -c` reads them: as recorded, if they are."""
    recorded = recorded_checksums(folder) or {}
    return "".join(f"{recorded.get(name) or _sha256(folder / name)}  {name}\n" for name in names)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
