"""Adds versions: they are written in folders of their own, then renamed into place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.files import flush_folder, flush_tree
from serving.leftovers import writer_tag
from serving.models.checksums import write_checksums
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.models.version_trust import trust_learned

STAGING_PREFIX = ".staging-"


def staging_name() -> str:
    """Return a new name for a folder that this process writes; see `serving.leftovers`."""
    return f"{STAGING_PREFIX}{writer_tag()}"


@contextmanager
def staged_version(repository: ModelRepository, model: str) -> Iterator[Path]:
    """Yield an empty folder to write a version into; see `commit_version`.

    It is removed at the end unless it was committed: a version that was not
    committed never existed. Raises ModelError if the disk refuses it.
    """
    folder = repository.root / model / staging_name()
    with repository.files.disk_errors():
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def commit_version(
    repository: ModelRepository, model: str, staged: Path, learned_from: Version | None = None
) -> Version:
    """Rename a finished, checked folder into place under the next free number.

    Its files' checksums are recorded in it. `staged` must lie on the repository's file
    system, as `staged_version` makes it. It is trusted if the version is that it was learned
    from. Raises ModelError if the disk refuses it.
    """
    with repository.files.disk_errors():
        write_checksums(staged)
        flush_tree(staged)
    if learned_from is not None:
        trust_learned(repository, staged, learned_from)
    while True:
        existing = repository.versions(model)
        number = existing[-1].number + 1 if existing else 1
        target = repository.root / model / str(number)
        try:
            staged.rename(target)
        except OSError:
            if target.exists():  # another program has just taken the number
                continue
            raise
        with repository.files.disk_errors():
            for folder in (target.parent, repository.root):
                flush_folder(folder)
        return Version(model, number, target)
