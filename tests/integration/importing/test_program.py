"""The program that reads models: its limits, its cancellation, and what it leaves behind."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import psutil
import pytest

from backend.training.loaded_version import LoadedVersion
from serving.errors import ModelError
from serving.importing.interface import (
    Corrections,
    ImportRequest,
    ModelFormat,
    ProgramRequest,
    Resize,
    Task,
)
from serving.importing.run_program import (
    PROGRAM,
    ImportRefused,
    import_model,
    inspect_model,
    preview_model,
)
from serving.importing.tasks import carry_out
from serving.models.checksums import changed_files
from serving.models.pruning import sweep_models
from serving.models.repository import ModelRepository
from serving.programs import child_environment
from serving.progress import no_report
from tests.support import imported_models
from tests.support.child_processes import children_running
from tests.support.imported_models import CLASSES
from tests.support.sample_images import gradient
from tests.support.tiny_model import install_tiny
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return imported_models.write_teachable_machine(tmp_path_factory.mktemp("tm") / "pets")


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    root = tmp_path / "models"
    root.mkdir()
    return ModelRepository(root)


def left(repository: ModelRepository) -> list[str]:
    """What lies in the repository, lock files apart."""
    return sorted(each.name for each in repository.root.iterdir() if each.name != ".lock")


async def test_a_model_is_looked_at_tried_and_imported(
    pets: Path, repository: ModelRepository, tmp_path: Path
) -> None:
    from serving.importing.write import sample_photos

    photo = tmp_path / "photo.jpg"
    photo.write_bytes(sample_photos()[0])
    (tmp_path / "notes.jpg").write_text("no photo")
    request = ImportRequest(str(pets))
    found = await inspect_model(repository, request)
    assert (found.format, found.labels) == (ModelFormat.TEACHABLE_MACHINE, CLASSES)
    assert (found.problems, found.labels_from) == ((), "labels.txt")
    shown, refused = await preview_model(repository, request, [photo, tmp_path / "notes.jpg"])
    assert {each.name for each in shown.scores} == set(CLASSES)
    assert refused.scores == ()
    assert "not an image" in refused.problem
    assert left(repository) == []
    said: list[str] = []
    version = await import_model(
        repository, "pets", request, [photo], lambda done, total, text: said.append(text)
    )
    assert "Writing and checking the version." in said
    assert repository.live("pets") == version
    assert changed_files(version.path) == []
    with LoadedVersion(version.path) as loaded:
        classes, scores = loaded.predict([photo.read_bytes()])
    answers = {name.decode(): score for name, score in zip(classes[0], scores[0], strict=True)}
    assert [answers[each.name] for each in shown.scores] == pytest.approx(
        [each.score for each in shown.scores], abs=1e-4
    )
    with pytest.raises(ModelError, match="There is a model called pets already"):
        await import_model(repository, "Pets", request, report=lambda *_: pytest.fail("it began"))
    assert left(repository) == ["monitoring.config", "pets", "served.json", "serving.config"]


async def test_what_stands_in_the_way_is_said_and_refused(
    repository: ModelRepository, tmp_path: Path
) -> None:
    imported_models.write_tensorflow_1(tmp_path / "old")
    (tmp_path / "two.txt").write_text("a\nb\n")
    unnamed = ImportRequest(str(tmp_path / "old"))
    short = ImportRequest(str(tmp_path / "old"), str(tmp_path / "two.txt"))

    def program(task: Task, request: ImportRequest) -> Any:
        """Do what the program does, in this process, which has TensorFlow already."""
        scratch, versions = tmp_path / "scratch", tmp_path / task / str(id(request))
        scratch.mkdir(exist_ok=True)
        versions.mkdir(parents=True)
        asked = ProgramRequest(task, request, str(scratch), (), str(versions), "old")
        return carry_out(asked, no_report)

    found = program(Task.INSPECT, unnamed)
    assert found["interface"] is not None
    assert found["labels"] is None
    with pytest.raises(ModelError, match="Nothing says what the 3 classes of old are called"):
        program(Task.WRITE, unnamed)
    (problem,) = program(Task.INSPECT, short)["problems"]
    assert "gives 3 scores, and two.txt has 2 labels" in problem
    with pytest.raises(ImportRefused, match=r"two\.txt has 2 labels"):
        await import_model(repository, "old", short)
    assert left(repository) == []


async def test_versions_of_a_model_folder(repository: ModelRepository, tmp_path: Path) -> None:
    for number in (3, 7):
        imported_models.write_tensorflow_1(tmp_path / "served" / str(number))
    (tmp_path / "served" / "labels.txt").write_text("\n".join(CLASSES))
    request = ImportRequest(
        str(tmp_path / "served"), corrections=Corrections(resize=Resize.PAD), all_versions=True
    )
    version = await import_model(repository, "old", request)
    assert version.number == 7
    assert [each.number for each in repository.versions("old")] == [3, 7]
    assert version.card().preprocessing.startswith("scaled until it fits")
    newest = await import_model(repository, "new", ImportRequest(str(tmp_path / "served")))
    assert [each.number for each in repository.versions("new")] == [1]
    # A version of Servery is one that can be imported, too.
    again = await import_model(repository, "again", ImportRequest(str(newest.path)))
    assert again.card().classes == CLASSES
    assert (again.path / "saved_model.pb").read_bytes() == (
        newest.path / "saved_model.pb"
    ).read_bytes()


def programs() -> list[psutil.Process]:
    """The programs that this process started to read models."""
    return children_running(PROGRAM, recursive=True)


async def test_a_cancelled_import_leaves_nothing(pets: Path, repository: ModelRepository) -> None:
    importing = asyncio.create_task(import_model(repository, "pets", ImportRequest(str(pets))))
    await wait_until(lambda: bool(programs()))
    (program,) = programs()
    importing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await importing
    assert not program.is_running()
    assert left(repository) == []


async def test_a_program_that_is_killed_is_told_as_a_sentence(
    pets: Path, repository: ModelRepository
) -> None:
    importing = asyncio.create_task(import_model(repository, "pets", ImportRequest(str(pets))))
    await wait_until(lambda: bool(programs()))
    programs()[0].kill()
    with pytest.raises(ImportRefused, match=r"ended unexpectedly\. The system ends"):
        await importing
    assert left(repository) == []


def test_who_is_killed_in_an_import_leaves_what_the_next_start_removes(
    pets: Path, repository: ModelRepository
) -> None:
    """The program ends with the one that started it, and no half model is ever listed."""
    code = textwrap.dedent(
        f"""
        import asyncio
        from pathlib import Path
        from serving.importing.interface import ImportRequest
        from serving.importing.run_program import import_model
        from serving.models.repository import ModelRepository
        repository = ModelRepository(Path({str(repository.root)!r}))
        report = lambda done, total, text: print(text, flush=True)
        request = ImportRequest({str(pets)!r})
        asyncio.run(import_model(repository, "pets", request, (), report))
        """
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=child_environment()
    )
    assert owner.stdout is not None
    assert "Starting TensorFlow.\n" in iter(owner.stdout.readline, "")
    (program,) = programs()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    program.wait(timeout=60)
    assert repository.models() == []
    assert any(name.startswith(".staging-") for name in left(repository))
    sweep_models(repository)
    assert left(repository) == []


CONFINED = """
import socket, subprocess, sys
from serving.importing.sandbox import confine
confine({arguments})
"""


def confined(code: str, arguments: str = "") -> subprocess.CompletedProcess[str]:
    script = CONFINED.format(arguments=arguments) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=child_environment()
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's filter is Linux's")
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("socket.create_connection(('127.0.0.1', 9))", "PermissionError"),
        ("socket.socket(socket.AF_UNIX)", "PermissionError"),
        ("subprocess.run(['/bin/true'])", "PermissionError"),
        ("bytearray(2**34)", "MemoryError"),
    ],
)
def test_the_program_reaches_nothing_but_files(code: str, error: str) -> None:
    ended = confined(code)
    assert ended.returncode == 1
    assert error in ended.stderr


def test_the_program_may_not_compute_for_ever() -> None:
    ended = confined("while True: pass", "seconds=1")
    assert ended.returncode in (-signal.SIGXCPU, -signal.SIGKILL)


def test_the_program_needs_what_is_left_to_it() -> None:
    """A thread, a file, and memory."""
    ended = confined(
        """
        import tempfile, threading
        thread = threading.Thread(target=bytearray, args=(2**28,))
        thread.start()
        thread.join()
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
        """
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("whole", [False, True], ids=["a version", "a model folder"])
async def test_versions_of_servery_are_copied_as_they_are(
    repository: ModelRepository, tmp_path: Path, whole: bool
) -> None:
    version = install_tiny(repository)
    request = ImportRequest(str(version.path.parent if whole else version.path))
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(gradient())
    found = await inspect_model(repository, request)
    assert found.labels == version.card().classes
    assert found.interface is not None
    assert (found.interface.classes, found.interface.guessed) == (len(found.labels), ())
    (tried,) = await preview_model(repository, request, [photo])
    with LoadedVersion(version.path) as loaded:
        classes, scores = loaded.predict([photo.read_bytes()])
    assert [each.name for each in tried.scores] == [name.decode() for name in classes[0]][:5]
    assert tried.scores[0].score == pytest.approx(float(scores[0][0]), abs=1e-6)
    copied = await import_model(repository, "copied", request)
    assert copied.card().classes == version.card().classes
