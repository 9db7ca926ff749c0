"""POST /classify: the right answer for a photo, the right error for anything else."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from backend import uploads
from serving.errors import FleetUnavailable, ImageError, ModelError
from serving.normalize_image import MAX_BYTES
from serving.predict.prediction import Score
from tests.support.backend_env import Service
from tests.support.problems import PROBLEM_FIELDS
from tests.support.sample_images import image_bytes


async def test_a_form_with_a_photo_is_classified(service: Service) -> None:
    jpeg = image_bytes()
    answer = await service.http.post("/classify", files={"file": ("a.jpg", jpeg)})
    assert answer.status_code == 200
    assert answer.json()["scores"][0] == {"name": "cat", "score": 0.9}
    assert answer.json()["version"] == 1
    assert service.classifier.received == [jpeg]


async def test_an_answer_says_whether_it_is_unsure(service: Service) -> None:
    async def classify() -> tuple[bool, float | None]:
        raw = (await service.http.post("/classify", content=image_bytes())).json()
        return raw["unsure"], raw["familiarity"]

    assert await classify() == (False, None)
    service.classifier.scores = (Score("cat", 0.4), Score("dog", 0.39))
    assert await classify() == (True, None)
    service.classifier.familiarity = 0.75
    assert await classify() == (False, 0.75)
    service.classifier.familiarity = 0.25
    assert await classify() == (True, 0.25)


@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream", None])
async def test_a_bare_body_is_the_photo(service: Service, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    answer = await service.http.post("/classify", content=image_bytes(), headers=headers)
    assert answer.status_code == 200


async def test_any_other_image_is_normalized_first(service: Service) -> None:
    await service.http.post("/classify", content=image_bytes(form="PNG"))
    with Image.open(io.BytesIO(service.classifier.received[0])) as image:
        assert image.format == "JPEG"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not an image at all", 415),
        (image_bytes(size=(300, 300))[:-200], 422),
        (image_bytes(form="PNG", size=(300, 300))[:60], 422),
    ],
    ids=["empty", "text", "cut-off JPEG", "cut-off PNG"],
)
async def test_a_bad_photo_is_refused_with_a_sentence(
    service: Service, body: bytes, status: int
) -> None:
    answer = await service.http.post("/classify", files={"file": ("a.jpg", body)})
    assert answer.status_code == status
    assert set(answer.json()) == PROBLEM_FIELDS
    assert answer.json()["detail"].endswith(".")
    assert (await service.http.post("/classify", content=image_bytes())).status_code == 200


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"a=b", "application/x-www-form-urlencoded"),
        (b"--x\r\nContent-Disposition: form-data; name=other\r\n\r\n1\r\n--x--\r\n", "x"),
        (b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\ntext\r\n--x--\r\n", "x"),
        (b"--x\r\nbroken", "x"),
        (b"no boundary", None),
    ],
    ids=["url-encoded", "other field", "text field", "broken form", "no boundary"],
)
async def test_a_form_without_a_photo_is_400(
    service: Service, body: bytes, kind: str | None
) -> None:
    content_type = kind if kind and "/" in kind else "multipart/form-data"
    if kind == "x":
        content_type += "; boundary=x"
    answer = await service.http.post(
        "/classify", content=body, headers={"Content-Type": content_type}
    )
    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.parametrize("declared", [True, False], ids=["with length", "chunked"])
async def test_a_photo_over_the_limit_is_413(
    service: Service, monkeypatch: pytest.MonkeyPatch, declared: bool
) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 10_000)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(10_000)

    content = bytes(200_000) if declared else chunks()
    answer = await service.http.post("/classify", content=content)
    assert answer.status_code == 413
    assert service.classifier.received == []


async def test_an_absurd_length_is_refused_unread(service: Service) -> None:
    answer = await service.http.post(
        "/classify", content=b"x", headers={"Content-Length": str(100 * MAX_BYTES)}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (FleetUnavailable("No instance is ready.", "Start one."), 503),
        (ImageError("The image is damaged.", "Copy it again."), 422),
        (ModelError("The model has no such signature.", "Import it again."), 502),
        (RuntimeError("a defect"), 500),
    ],
)
async def test_a_failing_fleet_is_a_different_error(
    service: Service, failure: Exception, status: int
) -> None:
    service.classifier.failure = failure
    answer = await service.http.post("/classify", content=image_bytes())
    assert answer.status_code == status
    assert answer.json()["advice"]
    assert "defect" not in answer.text
