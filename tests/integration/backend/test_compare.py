"""Two versions of a model are asked about the same photos, in a process of their own."""

from __future__ import annotations

import numpy as np
import pytest

from backend.client import BackendRefused
from backend.training.embeddings import EmbeddingCache
from backend.training.head import ServableGraph
from backend.training.loaded_version import LoadedVersion
from serving.models.repository import Version
from serving.tf.names import HEAD_KERNEL, SAVED_MODEL_FILE
from tests.support.backend_env import Service
from tests.support.sample_images import painting
from tests.support.tiny_model import install_tiny

MODEL = "paints"


@pytest.fixture
def versions(service: Service) -> list[Version]:
    """One that tells all colors apart, and one that knows two of them."""
    return [
        install_tiny(service.repository, MODEL),
        install_tiny(service.repository, MODEL, {"blue": "blue", "scarlet": "red"}),
    ]


async def label(service: Service, color: str) -> str:
    """Label a painting with its color; returns its hash."""
    stored = await service.client.label(painting(color, 1), color, model=MODEL)
    return stored.image


async def test_the_labelled_photos_show_what_changed(
    service: Service, versions: list[Version]
) -> None:
    red, blue = await label(service, "red"), await label(service, "blue")
    by_image = {each.image: each for each in await service.client.compare(MODEL, (1, 2))}
    assert (by_image[red].label, by_image[red].answers) == ("red", ["red", "scarlet"])
    assert (by_image[blue].label, by_image[blue].answers) == ("blue", ["blue", "blue"])
    for image, color in [(red, "red"), (blue, "blue")]:
        for column, version in enumerate(versions):
            with LoadedVersion(version.path) as loaded:
                _, scores = loaded.predict([painting(color, 1)])
            assert by_image[image].scores[column] == pytest.approx(scores[0][0], abs=1e-5)


async def test_given_photos_need_no_label_of_the_model(
    service: Service, versions: list[Version]
) -> None:
    image = service.store.images.put(painting("red", 2))
    (only,) = await service.client.compare(MODEL, (2, 1), [image])
    assert (only.image, only.label, only.answers) == (image, "", ["scarlet", "red"])


async def test_known_embeddings_are_used_and_none_are_written(
    service: Service, versions: list[Version]
) -> None:
    known, new = await label(service, "red"), await label(service, "blue")
    folder = service.workspace.embeddings
    with LoadedVersion(versions[0].path) as loaded:
        (embedding,) = loaded.embed([painting("yellow", 1)])
    cache = EmbeddingCache(folder, ServableGraph(versions[0].path).backbone_hash())
    cache.add({known: embedding})
    before = [path.read_bytes() for path in folder.iterdir()]
    by_image = {each.image: each for each in await service.client.compare(MODEL, (1, 2))}
    assert by_image[known].answers == ["yellow", "scarlet"]
    assert by_image[new].answers == ["blue", "blue"]
    assert [path.read_bytes() for path in folder.iterdir()] == before


async def test_a_version_without_classes_has_no_answer(
    service: Service, versions: list[Version]
) -> None:
    await label(service, "red")
    graph = ServableGraph(versions[0].path)
    head = graph.head()
    empty = type(head)(head.kernel[:, :0], head.bias[:0], ())
    (versions[1].path / SAVED_MODEL_FILE).write_bytes(graph.with_head(empty))
    (only,) = await service.client.compare(MODEL, (1, 2))
    assert (only.answers, only.scores[1]) == (["red", ""], 0.0)


async def test_a_version_whose_head_cannot_be_read_is_asked_whole(
    service: Service, versions: list[Version]
) -> None:
    await label(service, "red")
    path = versions[1].path / SAVED_MODEL_FILE
    renamed = HEAD_KERNEL[:-1] + "_"
    content = path.read_bytes()
    assert HEAD_KERNEL.encode() in content
    path.write_bytes(content.replace(HEAD_KERNEL.encode(), renamed.encode()))
    (only,) = await service.client.compare(MODEL, (1, 2))
    assert only.answers == ["red", "scarlet"]
    assert np.all(np.array(only.scores) > 0.5)


async def test_a_version_that_cannot_be_loaded_is_named(
    service: Service, versions: list[Version]
) -> None:
    await label(service, "red")
    (versions[1].path / SAVED_MODEL_FILE).write_bytes(b"nonsense")
    with pytest.raises(BackendRefused, match="Version 2 cannot be loaded") as caught:
        await service.client.compare(MODEL, (1, 2))
    assert caught.value.status == 502


async def test_what_does_not_exist_is_404(service: Service, versions: list[Version]) -> None:
    assert await service.client.compare(MODEL, (1, 2)) == []
    for model, numbers, images in [
        ("nothing", (1, 2), None),
        (MODEL, (1, 9), None),
        (MODEL, (1, 2), ["ab" * 32]),
        (MODEL, (1, 2), ["../../backend.sqlite"]),
    ]:
        with pytest.raises(BackendRefused) as caught:
            await service.client.compare(model, numbers, images)
        assert caught.value.status == 404
    answer = await service.http.post(f"/models/{MODEL}/compare", json={"versions": [1]})
    assert answer.status_code == 400
