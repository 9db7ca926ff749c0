"""A model is taught in one workspace, exported, and taught further in another without photos."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backend.store.store import Store
from backend.training.loaded_version import LoadedVersion
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.command_line import CommandLine
from tests.support.sample_images import drawing, drawings
from tests.support.tiny_model import install_tiny
from tests.support.waiting import block_until

pytestmark = pytest.mark.slow

LABELS = 8
"""Photos of each class."""
FIRST, SECOND = ("rings", "smiley"), "stripes"


@dataclass
class Taught:
    shell: CommandLine
    archive: Path
    """The model `pets`, without photos."""
    with_photos: Path


def shell_of(folder: Path) -> CommandLine:
    folder.mkdir()
    shell = CommandLine(folder)
    install_tiny(ModelRepository(Workspace(shell.workspace).create().models))
    return shell


def teach(shell: CommandLine, model: str, *kinds: str) -> dict[str, Any]:
    """Let a model learn photos of some kinds; returns the training run."""
    folder = shell.folder / f"{model} {'-'.join(kinds)}"
    for kind in kinds:
        drawings(folder / kind, kind, kind, LABELS)
    learned: dict[str, Any] = shell.json("labels", "import", model, str(folder))["run"]
    return learned


def images(shell: CommandLine) -> list[Path]:
    return sorted(Workspace(shell.workspace).images.rglob("*.jpg"))


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    folder = tmp_path_factory.mktemp("taught")
    shell = shell_of(folder / "here")
    with shell.backend():
        run = teach(shell, "pets", *FIRST)
        assert run["version"] == 2, run
        archive, with_photos = folder / "pets.zip", folder / "photos.zip"
        done = shell.json("models", "export", "pets:2", str(archive), "--format", "servery")
        assert (done["labels"], done["photos"], done["without_embedding"]) == (2 * LABELS, 0, 0)
        arguments = ("--format", "servery", "--with-photos")
        done = shell.json("models", "export", "pets:2", str(with_photos), *arguments)
        assert done["photos"] == 2 * LABELS
    return Taught(shell, archive, with_photos)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[CommandLine]:
    """Another workspace, in which a backend runs."""
    shell = shell_of(tmp_path / "there")
    with shell.backend():
        yield shell


def test_it_is_taught_further_without_the_photos(taught: Taught, there: CommandLine) -> None:
    done = there.json("models", "import", str(taught.archive), "--name", "zoo")
    assert (done["model"], done["version"], done["labels"]) == ("zoo", 1, 2 * LABELS)
    assert images(there) == []
    run = teach(there, "zoo", SECOND)
    # What was learned from before counts, though no photo of it is there.
    assert run["labels"] == 3 * LABELS
    assert len(images(there)) == LABELS
    report = there.json("models", "report", "zoo", str(run["version"]))
    assert {*FIRST, SECOND} <= set(report["classes"])
    assert report["photos"] == 3 * LABELS
    assert report["skipped"] == []
    assert report["accuracy"] > 0.9
    assert run["decision"] == "promoted"
    live = ModelRepository(Workspace(there.workspace).models).live("zoo")
    assert live.number == run["version"]
    with LoadedVersion(live.path) as version:
        classes, _ = version.predict([drawing(kind, "new") for kind in (*FIRST, SECOND)])
    kinds = (*FIRST, SECOND)
    ranked = [[name.decode() for name in row if name.decode() in kinds] for row in classes]
    assert [row[0] for row in ranked] == list(kinds)


def test_it_learns_the_same_as_where_it_comes_from(taught: Taught, there: CommandLine) -> None:
    there.json("models", "import", str(taught.archive), "--name", "zoo")
    with taught.shell.backend():
        copy = taught.shell.json("models", "duplicate", "pets", "zoo")
        assert copy["labels"] == 2 * LABELS
        here = teach(taught.shell, "zoo", SECOND)
    elsewhere = teach(there, "zoo", SECOND)
    assert (elsewhere["labels"], elsewhere["accuracy"]) == (here["labels"], here["accuracy"])


def test_photos_go_along_on_request(taught: Taught, there: CommandLine) -> None:
    done = there.json("models", "import", str(taught.with_photos), "--name", "zoo")
    assert done["photos"] == 2 * LABELS
    assert len(images(there)) == 2 * LABELS
    names = {path.name for path in images(there)}
    assert names <= {path.name for path in images(taught.shell)}


async def test_labels_arrive_as_they_were_given(taught: Taught, there: CommandLine) -> None:
    await asyncio.to_thread(there.json, "models", "import", str(taught.archive), "--name", "zoo")

    async def labels(shell: CommandLine, model: str) -> list[Any]:
        store = Store(Workspace(shell.workspace))
        await store.open()
        try:
            return list(await store.archived_labels.read(model))
        finally:
            await store.close()

    assert await labels(there, "zoo") == await labels(taught.shell, "pets")


def test_a_taken_name_and_a_bad_version_are_sentences(taught: Taught, tmp_path: Path) -> None:
    shell = taught.shell
    with shell.backend():
        taken = shell.run("models", "import", str(taught.archive))
        assert taken.returncode == 1
        assert "There is a model called pets already" in taken.stderr
        for name, reason in (("pets:x", "no number of a version"), ("pets:9", "no version 9")):
            bad = shell.run("models", "export", name, str(tmp_path / "out"), "--format", "onnx")
            assert (bad.returncode, reason in bad.stderr) == (1, True), bad.stderr
        photos = ("--format", "onnx", "--with-photos")
        assert "Photos go with" in shell.run("models", "export", "pets", "out", *photos).stderr
        again = shell.run("models", "export", "pets", str(taught.archive), "--format", "servery")
        assert again.returncode == 1
        assert "add --replace" in again.stderr
        replaced = shell.json(
            "models", "export", "pets", str(taught.archive), "--format", "servery", "--replace"
        )
        assert replaced["labels"] == 2 * LABELS


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_an_export_that_is_interrupted_leaves_nothing(
    taught: Taught, tmp_path: Path, end: signal.Signals
) -> None:
    target = tmp_path / "out"
    process = taught.shell.start("models", "export", "pets", str(target), "--format", "tflite")
    block_until(lambda: any(tmp_path.iterdir()) or process.poll() is not None)
    assert process.poll() is None
    process.send_signal(end)
    process.communicate()
    assert not target.exists()
    # The backend ends with the command, and the program that exports with the backend.
    taught.shell.json("models", "export", "pets", str(tmp_path / "next"), "--format", "savedmodel")
    block_until(lambda: [path.name for path in tmp_path.iterdir()] == ["next"])
