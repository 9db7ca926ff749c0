"""What requests about model files have to say."""

from __future__ import annotations

import io
import zipfile

from tests.support.backend_env import Service


async def test_a_sent_file_needs_no_path(service: Service) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "hello")
    sent = await service.http.post(
        "/model-files", files={"file": ("holiday.zip", buffer.getvalue())}
    )
    assert sent.status_code == 201
    answer = await service.http.post("/model-files/inspect", json={"upload": sent.json()["id"]})
    assert "There is no model in" in answer.json()["detail"]


async def test_a_request_names_a_file_or_one_that_was_sent(service: Service) -> None:
    nothing = await service.http.post("/model-files/inspect", json={})
    assert nothing.status_code == 400
    assert "names no model file" in nothing.json()["detail"]
    empty = await service.http.post("/model-files?name=model.keras")
    assert (empty.status_code, empty.json()["detail"]) == (400, "The request has no file in it.")
    unknown = await service.http.post("/models/import", json={"name": "pets", "upload": "nope"})
    assert unknown.status_code == 404
