"""Whichever way a file of the golden set comes in, the model gets the same bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from desktop.classify.classify_images import classify_images
from desktop.learn.outbox import Outbox, OutboxView
from desktop.learn.submit_label import submit_label
from serving.errors import ServeryError
from serving.normalize_image import normalize_image, read_image, read_normalized_image
from serving.predict.prediction import Prediction
from tests.support.backend_env import Service
from tests.support.golden_images import golden_files
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
