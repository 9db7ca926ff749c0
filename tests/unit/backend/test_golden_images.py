"""Whichever way a file of the golden set comes in, the model gets the same bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from backend.training.import_photos import import_photos
from backend.training.worker_protocol import TrainingSpec
from desktop.classify.classify_images import classify_images
from desktop.learn.outbox import Outbox, OutboxView
from desktop.learn.submit_label import submit_label
from serving.errors import ServeryError
from serving.image_file import UnusableImage
from serving.normalize_image import normalize_image, read_image, read_normalized_image
from serving.predict.prediction import Prediction
from serving.workspace import Workspace
from tests.support.backend_env import Service
from tests.support.golden_images import golden_files, refused_files
from tests.support.predictions import prediction
from tests.support.waiting import wait_for_view


async def test_window_and_command_line_send_the_bytes_that_http_sends(
    service: Service, tmp_path: Path
) -> None:
    files = golden_files(tmp_path)
    sent: dict[Path, bytes] = {}

    async def classified_as_a_file(path: Path) -> bytes:
        received: list[bytes] = []

        async def predict(jpeg: bytes) -> Prediction:
            received.append(jpeg)
            return prediction(("cat", 1.0))

        def check(path: Path, result: Prediction | ServeryError) -> None:
            assert isinstance(result, Prediction), path

        await classify_images([path], predict, check)
        (jpeg,) = received
        return jpeg

    for path, golden in files.items():
        sent[path] = await classified_as_a_file(path)
        await service.client.classify(golden.data)
        await service.http.post("/classify", content=golden.data)
    expected = [normalize_image(golden.data) for golden in files.values()]
    assert list(sent.values()) == expected
    assert service.classifier.received[::2] == expected
    assert service.classifier.received[1::2] == expected


async def test_every_way_in_refuses_with_the_same_words(service: Service, tmp_path: Path) -> None:
    for name, (data, fault) in refused_files().items():
        path = tmp_path / f"{name}.jpg"
        path.write_bytes(data)
        with pytest.raises(UnusableImage) as caught:
            read_normalized_image(path)
        words = (caught.value.what, caught.value.advice)
        assert caught.value.fault is fault, name
        results: dict[Path, Prediction | ServeryError] = {}
        await classify_images([path], _never, results.__setitem__)
        assert str(results[path]) == str(caught.value)
        for route in ("/classify", "/labels?class=cat"):
            response = await service.http.post(route, content=data)
            problem = response.json()
            assert (problem["detail"], problem["advice"]) == words, name
            assert response.status_code in (400, 415, 422)
    assert service.classifier.received == []
    assert not list(service.store.images.root.rglob("*.jpg"))


async def _never(jpeg: bytes) -> Prediction:
    raise AssertionError("the model was asked")


async def test_labels_of_window_and_command_line_keep_the_bytes_that_http_keeps(
    service: Service, tmp_path: Path
) -> None:
    files = golden_files(tmp_path)
    async with Outbox(tmp_path / "outbox.sqlite", service.client) as outbox:
        for path in files:
            await submit_label(outbox, read_normalized_image(path), "window")
        await wait_for_view(outbox, lambda view: view == OutboxView())
    stored = {path.stem for path in service.store.images.root.rglob("*.jpg")}
    for path, golden in files.items():
        by_command = await service.client.label(read_image(path), "command")
        by_http = await service.http.post("/labels?class=http", content=golden.data)
        image = by_command.image
        assert by_http.json()["image"] == image
        kept = service.store.images.path(image).read_bytes()
        assert kept == normalize_image(golden.data)
        assert hashlib.sha256(kept).hexdigest() == image
        assert image in stored


def test_an_imported_folder_keeps_the_bytes_that_labels_keep(
    workspace: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "photos" / "a class"
    folder.mkdir(parents=True)
    files = golden_files(folder)
    spec = TrainingSpec(
        run_id="run-1",
        base_version=1,
        base_folder="",
        staging_folder="",
        embeddings_folder="",
        images=(),
        images_ever_labeled=(),
        import_folder=str(folder.parent),
        images_folder=str(workspace.images),
    )
    imported = import_photos(spec, lambda photos: None, lambda done, total: None)
    expected = {normalize_image(golden.data) for golden in files.values()}
    assert {Path(image.path).read_bytes() for image in imported.images} == expected
    # Files that differ in how they store the same pixels become one image.
    assert len(imported.skipped) == len(files) - len(expected) > 0
    assert {one.reason.partition(":")[0] for one in imported.skipped} == {"the same photo again"}
