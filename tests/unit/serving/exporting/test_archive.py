"""What one Servery hands to another is read as it was written, or refused with the reason."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.errors import ModelError
from serving.exporting import archive as module
from serving.exporting.archive import ArchivedLabel, read_archive, write_archive
from serving.models.model_settings import ModelSettings
from serving.models.repository import ModelRepository
from tests.support.sample_images import painting
from tests.support.tiny_model import install_tiny

PHOTO = painting("red", 1)
IMAGE = hashlib.sha256(PHOTO).hexdigest()
OTHER = "ab" * 32
LABELS = (
    ArchivedLabel(IMAGE, "class", "red", "ada", "2026-01-31T09:15:00.123Z"),
    ArchivedLabel(OTHER, "none", "", "", "2026-01-31T09:15:01Z", held_out=True, settles=True),
)
EMBEDDINGS = {IMAGE: np.arange(4, dtype=np.float32), OTHER: np.ones(4, np.float32)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of the tiny model with two labels and a photo."""
    folder = tmp_path_factory.mktemp("whole")
    version = install_tiny(ModelRepository(folder / "models"))
    (folder / "models" / "pets" / "model.json").write_text(
        ModelSettings(backbone="net", keeps_backbone_classes=False, pinned=(1,)).to_json()
    )
    (folder / "photo.jpg").write_bytes(PHOTO)
    photos = {IMAGE: folder / "photo.jpg"}
    size = write_archive(
        version.path, folder / "pets.zip", LABELS, EMBEDDINGS, photos, lambda *_: None
    )
    assert size == (folder / "pets.zip").stat().st_size
    return folder / "pets.zip"


@pytest.fixture
def altered(whole: Path, tmp_path: Path) -> Callable[..., Path]:
    """Make an archive with other files in it, whose checksums are right."""

    def alter(files: dict[str, bytes | None], manifest: dict[str, Any] | None = None) -> Path:
        with zipfile.ZipFile(whole) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        content |= {name: data for name, data in files.items() if data is not None}
        for name in [name for name, data in files.items() if data is None]:
            del content[name]
        facts = json.loads(content.pop("export.json"))
        facts["files"] = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
        facts |= manifest or {}
        path = tmp_path / "altered.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in {**content, "export.json": json.dumps(facts).encode()}.items():
                archive.writestr(name, data)
        return path

    return alter


def npy(array: Any, *, pickle: bool = False) -> bytes:
    content = io.BytesIO()
    np.save(content, array, allow_pickle=pickle)
    return content.getvalue()


def labels(*changed: dict[str, Any]) -> bytes:
    return json.dumps([{**asdict(LABELS[0]), **fields} for fields in changed]).encode()


def test_what_was_written_is_read(whole: Path, tmp_path: Path) -> None:
    found = read_archive(whole, tmp_path / "out")
    assert (found.model, found.version, found.labels) == ("pets", 1, LABELS)
    assert found.embeddings.keys() == EMBEDDINGS.keys()
    for image, row in EMBEDDINGS.items():
        np.testing.assert_array_equal(found.embeddings[image], row)
    assert {image: path.read_bytes() for image, path in found.photos.items()} == {IMAGE: PHOTO}
    assert found.settings == ModelSettings(backbone="net", keeps_backbone_classes=False)
    assert (found.version_folder / "saved_model.pb").is_file()


def test_an_altered_archive_with_right_checksums_is_read(
    altered: Callable[..., Path], tmp_path: Path
) -> None:
    """So that the refusals below are those of what was altered."""
    assert read_archive(altered({}), tmp_path / "out").labels == LABELS


def test_a_version_without_labels_is_read(whole: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(whole) as archive:
        archive.extractall(tmp_path)
    version = tmp_path / "models" / "pets" / "1"
    version.parent.mkdir(parents=True)
    shutil.move(tmp_path / "version", version)
    write_archive(version, tmp_path / "bare.zip", (), {}, {}, lambda *_: None)
    found = read_archive(tmp_path / "bare.zip", tmp_path / "out")
    assert (found.labels, found.embeddings, found.photos) == ((), {}, {})


def test_a_version_that_was_changed_on_disk_is_not_written(tmp_path: Path) -> None:
    version = install_tiny(ModelRepository(tmp_path / "models"))
    (version.path / "saved_model.pb").write_bytes(b"other")
    with pytest.raises(ModelError, match="changed on disk"):
        write_archive(version.path, tmp_path / "pets.zip", (), {}, {}, lambda *_: None)
    assert not (tmp_path / "pets.zip").exists()


def test_what_is_no_zip_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.zip").write_bytes(b"no zip file")
    with pytest.raises(ModelError, match="damaged"):
        read_archive(tmp_path / "file.zip", tmp_path / "out")


def test_another_zip_file_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "file.zip", "w") as archive:
        archive.writestr("photo.jpg", PHOTO)
    with pytest.raises(ModelError, match="no model that another Servery exported"):
        read_archive(tmp_path / "file.zip", tmp_path / "out")


def test_entries_that_lead_out_are_refused(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "file.zip"
    shutil.copyfile(whole, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../evil", b"")
    with pytest.raises(ModelError, match="leads out"):
        read_archive(path, tmp_path / "out")
    assert not (tmp_path / "evil").exists()


def test_a_file_that_was_changed_added_or_left_out_is_refused(
    altered: Callable[..., Path], tmp_path: Path
) -> None:
    files = {"labels.json": "0" * 64}
    with pytest.raises(ModelError, match="is not as it was exported"):
        read_archive(altered({}, {"files": files}), tmp_path / "out")


@pytest.mark.parametrize(
    ("files", "manifest", "reason"),
    [
        ({}, {"format": "onnx"}, "no model that another Servery exported"),
        ({}, {"schema": 2}, "newer Servery"),
        ({}, {"model": "../x"}, "damaged"),
        ({}, {"model": ""}, "damaged"),
        ({}, {"settings": []}, "damaged"),
        ({}, {"files": []}, "is not as it was exported"),
        ({}, {"files": 3}, "damaged"),
        ({"version/saved_model.pb": None}, {}, "no version in it"),
        ({"version/assets.extra/servery.json": None}, {}, "no model card"),
        ({"labels.json": None}, {}, "no labels.json"),
        ({"labels.json": b"{"}, {}, "damaged"),
        ({"labels.json": b"[1]"}, {}, "damaged"),
        ({"labels.json": labels({"image": "../../x"})}, {}, "names no photo"),
        ({"labels.json": labels({"created": "yesterday"})}, {}, "no time"),
        ({"labels.json": labels({"kind": "maybe"})}, {}, "unknown kind"),
        ({"labels.json": labels({"kind": "none"})}, {}, "unknown kind"),
        ({"labels.json": labels({"class_name": ""})}, {}, "that a class can have"),
        ({"labels.json": labels({"class_name": "x" * 501})}, {}, "that a class can have"),
        ({"labels.json": labels({"by": "x" * 501})}, {}, "that a person can have"),
        ({"embeddings.npy": None}, {}, "damaged"),
        ({"embeddings.npy": npy(np.ones((2, 4)))}, {}, "of another type"),
        ({"embeddings.npy": npy(np.ones((3, 4), np.float32))}, {}, "of another shape"),
        ({"embeddings.npy": npy(np.ones(2, np.float32))}, {}, "of another shape"),
        ({"embeddings.npy": npy(np.full((2, 4), np.nan, np.float32))}, {}, "no numbers"),
        ({"embeddings.npy": npy(np.ones((2, 70_000), np.float32))}, {}, "no numbers"),
        ({"embedded.npy": npy(np.array([{}, {}], object), pickle=True)}, {}, "damaged"),
        ({"embedded.npy": npy(np.zeros((2, 31), np.uint8))}, {}, "of another shape"),
        ({f"photos/{OTHER}.jpg": b"other"}, {}, "no photo that a label names"),
        ({f"photos/{hashlib.sha256(b'x').hexdigest()}.jpg": b"x"}, {}, "no photo that a label"),
    ],
)
def test_what_an_archive_cannot_hold_is_refused(
    altered: Callable[..., Path],
    tmp_path: Path,
    files: dict[str, bytes | None],
    manifest: dict[str, Any],
    reason: str,
) -> None:
    with pytest.raises(ModelError, match=reason):
        read_archive(altered(files, manifest), tmp_path / "out")


def test_more_labels_than_are_allowed_are_refused(
    altered: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_LABELS", 1)
    with pytest.raises(ModelError, match="more than 1 labels"):
        read_archive(altered({}), tmp_path / "out")
