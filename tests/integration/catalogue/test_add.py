"""Models of the catalogue become versions, with weights from Keras's folder or from a mirror."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.training.loaded_version import LoadedVersion
from serving.catalogue.add import MIRROR_VARIABLE, add_catalogue_model
from serving.catalogue.download import DownloadFailed
from serving.catalogue.models import catalogue_model
from serving.errors import ModelError
from serving.models.repository import ModelRepository
from tests.support.mirror import Mirror, mirror

NAME = "mobilenet-v2"


@pytest.fixture
def weights(shared_data: Path) -> Path:
    return shared_data / "keras" / "models" / catalogue_model(NAME).file_name


@pytest.fixture
def content(weights: Path) -> bytes:
    return weights.read_bytes()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRepository:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)
    (tmp_path / "models").mkdir()
    return ModelRepository(tmp_path / "models")


@pytest.fixture
def server() -> Iterator[Mirror]:
    with mirror() as running:
        yield running


@pytest.mark.slow
async def test_weights_of_keras_become_a_version(
    repository: ModelRepository, tmp_path: Path, weights: Path, photos: list[Path]
) -> None:
    kept = tmp_path / "keras" / "models" / weights.name
    kept.parent.mkdir(parents=True)
    shutil.copyfile(weights, kept)
    version = await add_catalogue_model(repository, tmp_path / "downloads", NAME)
    card = version.card()
    assert repository.live(NAME) == version
    assert kept.exists()
    assert not (tmp_path / "downloads").exists()
    assert len(card.classes) == 1000
    assert card.other_names["giant panda"]
    assert card.licence == "Apache-2.0"
    assert card.accuracy is None  # nobody can tell that these are the published weights
    assert (repository.settings(NAME).photo_milliseconds or 0) > 0
    with LoadedVersion(version.path) as loaded:
        found, scores = loaded.predict([photo.read_bytes() for photo in photos])
    assert found.shape == (len(photos), 20)
    # 84% of photos are right with these weights: most of them are sure of something.
    assert (scores[:, 0] > 0.5).mean() > 0.6
    # A second call finds it there.
    assert await add_catalogue_model(repository, tmp_path / "downloads", NAME) == version


@pytest.mark.long
@pytest.mark.slow
async def test_weights_come_from_a_mirror_in_two_parts(
    repository: ModelRepository,
    tmp_path: Path,
    content: bytes,
    server: Mirror,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    downloads = tmp_path / "downloads"
    server.files[f"/keras/{catalogue_model(NAME).path}"] = content
    server.ends_after = [5_000_000]
    said: list[str] = []
    monkeypatch.setenv(MIRROR_VARIABLE, f"{server.url}/keras/")
    version = await add_catalogue_model(
        repository, downloads, NAME, lambda done, total, text: said.append(text)
    )
    assert [asked for _, asked in server.requests] == ["", "bytes=5000000-"]
    assert any(text.startswith("Downloading 14") for text in said)
    assert repository.live(NAME) == version
    assert not (downloads / catalogue_model(NAME).file_name).exists()


async def test_a_machine_without_a_network_is_told_what_works(
    repository: ModelRepository, tmp_path: Path
) -> None:
    with mirror() as gone:
        pass
    with pytest.raises(DownloadFailed, match="cannot be reached") as failure:
        await add_catalogue_model(repository, tmp_path / "downloads", NAME, mirror=gone.url)
    for advice in (MIRROR_VARIABLE, str(tmp_path / "keras" / "models"), "Built-in models"):
        assert advice in failure.value.advice
    assert repository.models() == []


@pytest.mark.parametrize("named", [True, False], ids=["named", "of the environment"])
async def test_what_is_no_weights_is_refused_and_removed(
    repository: ModelRepository,
    tmp_path: Path,
    server: Mirror,
    monkeypatch: pytest.MonkeyPatch,
    named: bool,
) -> None:
    model = catalogue_model(NAME)
    server.files[f"/keras/{model.path}"] = b"<html>Sign in to the network</html>"
    address = f"{server.url}/keras/"
    if not named:
        monkeypatch.setenv(MIRROR_VARIABLE, address)
    with pytest.raises(ModelError, match=model.file_name):
        await add_catalogue_model(
            repository, tmp_path / "downloads", NAME, mirror=address if named else ""
        )
    assert server.requests
    assert repository.models() == []
    assert not (tmp_path / "downloads" / model.file_name).exists()


async def test_a_copy_of_keras_with_another_checksum_is_not_taken(
    repository: ModelRepository, tmp_path: Path, server: Mirror
) -> None:
    model = catalogue_model("resnet50")
    kept = tmp_path / "keras" / "models" / model.file_name
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"half a download")
    with pytest.raises(DownloadFailed, match="answered 404"):
        await add_catalogue_model(repository, tmp_path / "downloads", "resnet50", mirror=server.url)
    assert kept.read_bytes() == b"half a download"


async def test_a_name_that_is_not_there_is_refused(
    repository: ModelRepository, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no model called alexnet"):
        await add_catalogue_model(repository, tmp_path, "alexnet")
