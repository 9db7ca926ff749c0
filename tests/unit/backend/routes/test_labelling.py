"""Labels by hash, of every kind, by several people; actions, conflicts and the pool over HTTP."""

from __future__ import annotations

import getpass

import numpy as np
import pytest

from backend.client import BackendRefused
from backend.contract import BatchLabel, LabelKind
from backend.training.embeddings import EmbeddingCache
from serving.models.repository import ModelRepository
from tests.support.backend_env import MODEL, Service
from tests.support.sample_images import image_bytes
from tests.support.tiny_model import install_tiny

EACH_DATABASE = True


async def pool(service: Service, *colors: str) -> list[str]:
    return [(await service.client.add_to_pool(image_bytes(color))).image for color in colors]


async def test_a_photo_that_the_backend_has_is_labelled_by_its_hash(service: Service) -> None:
    (image,) = await pool(service, "red")
    label = await service.client.label(image, "zebra")
    assert (label.image, label.class_name, label.kind) == (image, "zebra", LabelKind.CLASS)
    with pytest.raises(BackendRefused, match="There is no image") as refused:
        await service.client.label("0" * 64, "zebra")
    assert refused.value.status == 404


@pytest.mark.parametrize("kind", [LabelKind.NONE, LabelKind.SKIP])
@pytest.mark.parametrize("by_hash", [False, True])
async def test_a_label_may_name_no_class(service: Service, kind: LabelKind, by_hash: bool) -> None:
    (image,) = await pool(service, "red")
    label = await service.client.label(image if by_hash else image_bytes("red"), kind=kind)
    assert (label.image, label.class_name, label.kind) == (image, "", kind)
    summary = await service.client.labels()
    assert (summary.total, summary.none) == (0, kind is LabelKind.NONE)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "maybe", "class": "cat"},
        {"kind": "none", "class": "cat"},
        {"class": "cat", "by": "x" * 101},
        {"class": "cat", "settles": "perhaps"},
        {"class": "cat", "batch": "a\x00b"},
    ],
    ids=str,
)
async def test_what_cannot_be_understood_is_400(service: Service, fields: dict[str, str]) -> None:
    answer = await service.http.post("/labels", files={"file": image_bytes()}, data=fields)
    assert answer.status_code == 400
    assert (await service.client.labels()).total == 0


async def test_who_labels_is_the_user_of_the_program_unless_it_says_otherwise(
    service: Service,
) -> None:
    label = await service.client.label(image_bytes(), "cat")
    assert label.by == getpass.getuser()
    assert (await service.client.label(image_bytes(), "cat", by="Ann")).by == "Ann"
    service.peer.owner = None
    token = service.workspace.token
    token.write_text("secret-secret-secret-secret-secret\n")
    token.chmod(0o600)
    for auth, by in ((("Bob", token.read_text().strip()), "Bob"), (("", "wrong"), None)):
        answer = await service.http.post(
            "/labels", params={"class": "cat"}, content=image_bytes(), auth=auth
        )
        assert (answer.json().get("by"), answer.status_code) == (by, 201 if by else 401)


async def test_two_people_who_disagree_see_it_until_one_settles_it(service: Service) -> None:
    (image,) = await pool(service, "red")
    await service.client.label(image, "cat", by="Ann")
    await service.client.label(image, "dog", by="Bob")
    (conflict,) = await service.client.conflicts()
    assert [(label.by, label.class_name) for label in conflict.labels] == [
        ("Bob", "dog"),
        ("Ann", "cat"),
    ]
    summary = await service.client.labels()
    assert (summary.total, summary.conflicts) == (0, 1)
    assert (await service.store.labels.snapshot(MODEL)).current == ()
    await service.client.label(image, "cat", by="Cid", settles=True)
    assert await service.client.conflicts() == []
    assert (await service.client.labels()).total == 1


async def test_many_photos_are_labelled_and_taken_back_at_once(service: Service) -> None:
    images = await pool(service, "red", "green", "blue")
    await service.client.label(images[0], "cat")
    action = await service.client.label_batch(BatchLabel(images, "DOG", by="Ann"), key="k")
    again = await service.client.label_batch(BatchLabel(images, "dog", by="Ann"), key="k")
    assert action == again
    assert (action.images, action.class_name, action.by) == (images, "dog", "Ann")
    newest, _ = await service.client.label_actions()
    assert newest == action
    assert (await service.client.undo_action(action.id)).undone
    assert [count.name for count in (await service.client.labels()).classes] == ["cat"]
    assert [label.class_name for label in await service.client.labels_of(images[0])] == ["cat"]
    with pytest.raises(BackendRefused) as refused:
        await service.client.undo_action(99)
    assert refused.value.status == 404


@pytest.mark.parametrize("count", [0, 10_001])
async def test_a_batch_has_its_limits(service: Service, count: int) -> None:
    with pytest.raises(BackendRefused) as refused:
        await service.client.label_batch(BatchLabel(["0" * 64] * count, "dog"))
    assert refused.value.status == 400


async def test_the_pool_counts_what_is_unlabelled(service: Service) -> None:
    images = await pool(service, "red", "green", "red")
    assert images[0] == images[2]
    await service.client.label(images[0], "cat")
    summary = await service.client.pool()
    assert (summary.photos, summary.unlabelled, summary.model) == (2, 1, MODEL)
    assert await service.client.image(images[1]) == image_bytes("green")


@pytest.fixture
async def tiny(service: Service) -> ModelRepository:
    install_tiny(service.repository, "tiny")
    return service.repository


async def test_an_embedding_that_comes_along_is_in_the_cache(
    service: Service, tiny: ModelRepository
) -> None:
    from backend.training.head import ServableGraph

    row = np.arange(16, dtype=np.float32)
    for _ in range(2):
        photo = await service.client.add_to_pool(
            image_bytes(), model="tiny", version=1, embedding=row.astype("<f4").tobytes()
        )
    backbone = ServableGraph(tiny.version("tiny", 1).path).backbone_hash()
    known = EmbeddingCache(service.workspace.embeddings, backbone).get(photo.image)
    assert known is not None
    assert known.tolist() == row.tolist()
    (file,) = service.workspace.embeddings.glob("*.embeddings")
    assert file.stat().st_size < 200  # once, although it was sent twice


@pytest.mark.parametrize("embedding", [b"abc", np.array([np.nan], "<f4").tobytes()])
async def test_an_embedding_that_is_none_is_400(service: Service, embedding: bytes) -> None:
    with pytest.raises(BackendRefused) as refused:
        await service.client.add_to_pool(image_bytes(), embedding=embedding)
    assert refused.value.status == 400
    assert (await service.client.pool()).photos == 0
