"""/images and /models/{model}/photos: the photos that people labelled."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from backend.client import BackendRefused
from backend.contract import LabeledPhoto
from tests.support.backend_env import Service
from tests.support.damage import OF_A_PHOTO
from tests.support.problems import PROBLEM_FIELDS
from tests.support.sample_images import image_bytes


async def test_photos_show_what_a_model_knows(service: Service) -> None:
    cat = await service.client.label(image_bytes("red"), "cat")
    newer = await service.client.label(image_bytes("blue"), "cat")
    dog = await service.client.label(image_bytes("green"), "dog")
    assert await service.client.photos("farm", 2) == [
        LabeledPhoto(dog.image, "dog"),
        LabeledPhoto(newer.image, "cat"),
    ]
    assert [photo.image for photo in await service.client.photos("farm")][-1] == cat.image
    for count in ("0", "1001", "many"):
        answer = await service.http.get(f"/models/farm/photos?count={count}")
        assert answer.status_code == 400


async def test_an_image_is_sent_as_it_was_stored_and_may_be_cached_for_good(
    service: Service,
) -> None:
    jpeg = image_bytes()
    label = await service.client.label(jpeg, "cat")
    assert await service.client.image(label.image) == jpeg
    answer = await service.http.get(f"/images/{label.image}")
    assert answer.headers["content-type"] == "image/jpeg"
    assert "immutable" in answer.headers["cache-control"]
    again = await service.http.get(
        f"/images/{label.image}", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_an_image_is_sent_smaller_if_asked(service: Service) -> None:
    content = io.BytesIO()
    Image.new("RGB", (300, 200), "red").save(content, "JPEG")
    label = await service.client.label(content.getvalue(), "cat")
    with Image.open(io.BytesIO(await service.client.image(label.image, side=50))) as small:
        assert (small.format, small.size) == ("JPEG", (75, 50))
    assert await service.client.image(label.image, side=500) == content.getvalue()
    small_tag = (await service.http.get(f"/images/{label.image}?side=50")).headers["etag"]
    whole = await service.http.get(f"/images/{label.image}", headers={"If-None-Match": small_tag})
    assert whole.status_code == 200


@pytest.mark.parametrize("name", ["ab" * 32, "ab", "A" * 64, "..%2f..%2fbackend.sqlite", "é" * 64])
async def test_nothing_else_is_sent(service: Service, name: str) -> None:
    answer = await service.http.get(f"/images/{name}")
    assert answer.status_code == 404
    assert set(answer.json()) == PROBLEM_FIELDS


async def test_the_side_has_limits(service: Service) -> None:
    label = await service.client.label(image_bytes(), "cat")
    for side in (0, 2049):
        with pytest.raises(BackendRefused) as caught:
            await service.client.image(label.image, side=side)
        assert caught.value.status == 400


@pytest.mark.parametrize("kind", OF_A_PHOTO)
async def test_a_damaged_image_is_a_sentence_and_not_kept_by_browsers(
    service: Service, kind: str
) -> None:
    label = await service.client.label(image_bytes("red"), "cat")
    other = await service.client.label(image_bytes("blue"), "dog")
    OF_A_PHOTO[kind](service.store.images.path(label.image))
    for query in ("", "?side=50"):
        answer = await service.http.get(f"/images/{label.image}{query}")
        assert answer.status_code == (404 if kind == "gone" else 422)
        assert label.image in answer.json()["detail"]
        assert "immutable" not in answer.headers.get("cache-control", "")
        assert (await service.http.get(f"/images/{other.image}{query}")).status_code == 200
    await service.client.label(image_bytes("red"), "cat")
    assert await service.client.image(label.image) == image_bytes("red")
