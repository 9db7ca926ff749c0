"""Where an export may be written to, and that it is there whole or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

from serving.errors import ModelError
from serving.exporting.formats import MANIFEST_NAME, ExportFormat, TargetExists, check_target
from serving.exporting.staged_target import staged_target


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace" / "models"
    folder.mkdir(parents=True)
    return folder


def check(target: Path, models: Path, kind: str = "tflite", *, replace: bool = False) -> None:
    check_target(target, ExportFormat(kind), models, replace=replace)


def write(target: Path, text: str = "content") -> None:
    with staged_target(target) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_text(text)
        (folder / MANIFEST_NAME).write_text('{"servery": "1"}')


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_new_folder_and_a_new_zip_file_are_allowed(tmp_path: Path, models: Path) -> None:
    check(tmp_path / "pets", models)
    check(tmp_path / "pets.zip", models, "savedmodel")
    check(tmp_path / "pets.zip", models, "servery")


@pytest.mark.parametrize("name", ["pets.tflite", "pets.ONNX", "saved_model.pb"])
def test_a_lone_file_is_refused(tmp_path: Path, models: Path, name: str) -> None:
    with pytest.raises(ModelError, match="an export is a folder"):
        check(tmp_path / name, models)


def test_what_another_servery_imports_is_a_zip_file(tmp_path: Path, models: Path) -> None:
    with pytest.raises(ModelError, match="is a zip file"):
        check(tmp_path / "pets", models, "servery")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, models: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        check(tmp_path / "typo" / "pets", models)


def test_the_folder_of_the_models_is_refused(tmp_path: Path, models: Path) -> None:
    (models / "pets").mkdir()
    (tmp_path / "link").symlink_to(models)
    for target in (models / "pets" / "2", tmp_path / "link" / "pets" / "3", models):
        with pytest.raises(ModelError, match="keeps its models"):
            check(target, models)


def test_what_exists_is_refused_and_replaced_on_request_if_it_is_an_export(
    tmp_path: Path, models: Path
) -> None:
    for target in (tmp_path / "pets", tmp_path / "pets.zip"):
        write(target)
        with pytest.raises(TargetExists):
            check(target, models)
        check(target, models, replace=True)


def test_what_is_no_export_is_never_replaced(tmp_path: Path, models: Path) -> None:
    folder, file, other_zip, link = (tmp_path / n for n in ("album", "note", "other.zip", "link"))
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(b"photo")
    file.write_text("note")
    with zipfile.ZipFile(other_zip, "w") as archive:
        archive.writestr("photo.jpg", b"photo")
    write(tmp_path / "pets")
    link.symlink_to(tmp_path / "pets")
    for target in (folder, file, other_zip, link):
        with pytest.raises(ModelError, match=r"no export of Servery's"):
            check(target, models, replace=True)


@pytest.mark.parametrize("name", ["pets", "pets.zip"])
def test_an_export_takes_the_place_of_an_earlier_one(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    write(target, "old")
    write(target, "new")
    if target.is_dir():
        assert (target / "inner" / "file").read_text() == "new"
    else:
        with zipfile.ZipFile(target) as archive:
            assert archive.read("inner/file") == b"new"
    assert names_in(tmp_path) == [name]


def test_nothing_is_left_of_an_export_that_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with staged_target(tmp_path / "pets") as folder:
            (folder / "file").write_text("half")
            raise ModelError("no")

    with pytest.raises(ModelError, match="no"):
        fail()
    assert names_in(tmp_path) == []


def test_what_the_disk_refuses_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written to"):
        write(tmp_path / ("n" * 250))


@pytest.mark.parametrize("name", ["pets", "pets.zip"])
def test_a_killed_export_is_not_there_and_the_next_one_tidies_up(tmp_path: Path, name: str) -> None:
    program = """
        import os, signal, sys
        from pathlib import Path
        from serving.exporting.staged_target import staged_target
        with staged_target(Path(sys.argv[1])) as folder:
            (folder / "file").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    target = tmp_path / name
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(target)])
    assert killed.returncode == -signal.SIGKILL
    assert not target.exists()
    assert len(names_in(tmp_path)) == 1
    write(target)
    assert names_in(tmp_path) == [name]
