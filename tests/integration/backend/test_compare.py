"""Two versions of a model are asked about the same photos, in a process of their own."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from backend.client import BackendClient, BackendRefused
from backend.routes.compare import MAX_FILES
from backend.store.label_writing import Statement
from backend.training.embeddings import EmbeddingCache
from backend.training.head import ServableGraph
from backend.training.loaded_version import LoadedVersion
from serving import job_program
from serving.access_token import AccessToken
from serving.models.repository import ModelRepository
from serving.models.version import Version
from serving.tf.names import HEAD_KERNEL, SAVED_MODEL_FILE
from serving.workspace import Workspace
from tests.support.backend_env import URL, Service, backend_on_thread
from tests.support.child_processes import children_running
from tests.support.damage import OF_A_PHOTO
from tests.support.problems import PROBLEM_FIELDS
from tests.support.sample_images import drawing, encode, image_bytes, painting
from tests.support.tiny_model import install_tiny
from tests.support.waiting import wait_until

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


async def test_damaged_photos_cost_no_other_its_answer(
    service: Service, versions: list[Version]
) -> None:
    good = await label(service, "red")
    for number, damage in enumerate(OF_A_PHOTO.values()):
        stored = await service.client.label(drawing("stripes", number), "red", model=MODEL)
        damage(service.store.images.path(stored.image))
    # What is stored as it was sent, but no version can decode.
    await service.store.labels.add(MODEL, b"no JPEG at all", Statement("red"), lambda name: False)
    compared = await service.client.compare(MODEL, (1, 2))
    assert [each.image for each in compared if not each.problem] == [good]
    damaged = [each for each in compared if each.problem]
    assert len(damaged) == len(OF_A_PHOTO) + 1
    assert all(each.image and not each.answers for each in damaged)
    assert all(each.problem.endswith(".") for each in damaged)


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


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A red JPEG, a blue PNG, and what cannot be read: a pipe, a text, a folder, nothing."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "red.jpg").write_bytes(painting("red", 1))
    (folder / "blue.png").write_bytes(encode(Image.open(io.BytesIO(painting("blue", 1))), "PNG"))
    os.mkfifo(folder / "pipe.jpg")
    (folder / "text.jpg").write_text("no photo")
    names = ["pipe.jpg", "red.jpg", "text.jpg", "", "missing.jpg", "blue.png"]
    return [folder / name for name in names]


async def test_files_are_compared_and_those_that_cannot_be_read_are_named(
    service: Service, versions: list[Version], files: list[Path]
) -> None:
    image = await label(service, "red")
    before = sorted(path for path in service.workspace.root.rglob("*") if path.is_file())
    compared = await service.client.compare(MODEL, (1, 2), files=files)
    assert [each.file for each in compared] == [str(file) for file in files]
    red, blue = (each for each in compared if not each.problem)
    assert all(each.problem.endswith(".") for each in compared if not each.answers)
    assert (red.file, red.image, red.label) == (str(files[1]), image, "red")
    assert (blue.file, blue.label) == (str(files[5]), "")
    assert (red.answers, blue.answers) == (["red", "scarlet"], ["blue", "blue"])
    assert service.store.images.find(blue.image) is None
    after = sorted(path for path in service.workspace.root.rglob("*") if path.is_file())
    assert after == before


async def test_images_come_before_files_and_without_any_there_is_no_answer(
    service: Service, versions: list[Version], files: list[Path]
) -> None:
    image = await label(service, "red")
    both = await service.client.compare(MODEL, (1, 2), [image], [files[5], files[1], files[1]])
    assert [each.file for each in both] == ["", str(files[5]), str(files[1]), str(files[1])]
    assert both[0].scores == both[2].scores == both[3].scores
    assert await service.client.compare(MODEL, (1, 2), files=[]) == []
    (pipe,) = await service.client.compare(MODEL, (1, 2), files=[files[0]])
    assert (pipe.problem, pipe.answers) == ("It is gone, or is not a file.", [])


async def test_more_files_than_are_embedded_at_once_keep_their_order(
    service: Service, versions: list[Version], tmp_path: Path
) -> None:
    photos = {tmp_path / f"{number}.jpg": number % 3 == 0 for number in range(40)}
    for path, is_red in photos.items():
        path.write_bytes(image_bytes("red" if is_red else "blue", size=(64, 48 + len(path.stem))))
    found = await service.client.compare(MODEL, (1, 2), files=list(photos))
    assert [each.file for each in found] == [str(path) for path in photos]
    assert [each.answers[0] == "red" for each in found] == list(photos.values())


async def test_a_version_that_is_asked_whole_is_asked_about_files_too(
    service: Service, versions: list[Version], files: list[Path]
) -> None:
    path = versions[1].path / SAVED_MODEL_FILE
    renamed = HEAD_KERNEL[:-1] + "_"
    path.write_bytes(path.read_bytes().replace(HEAD_KERNEL.encode(), renamed.encode()))
    red, blue = await service.client.compare(MODEL, (1, 2), files=[files[1], files[5]])
    assert (red.answers, blue.answers) == (["red", "scarlet"], ["blue", "blue"])


async def test_nobody_is_asked_any_longer_than_somebody_waits(
    workspace: Workspace, worker_script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = ModelRepository(workspace.models)
    for _ in range(2):
        install_tiny(repository, MODEL)
    sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(job_program, "module_command", lambda module: sleeping)
    photo = workspace.root / "red.jpg"
    photo.write_bytes(painting("red", 1))

    def asked() -> list[psutil.Process]:
        return children_running(sleeping[-1])

    with backend_on_thread(workspace, worker_script) as url:
        async with BackendClient(url) as client:
            for waiting in (1, 2):  # the second one waits for the first
                comparing = [
                    asyncio.create_task(client.compare(MODEL, (1, 2), files=[photo]))
                    for _ in range(waiting)
                ]
                await wait_until(asked)
                for task in comparing:
                    task.cancel()
                await asyncio.gather(*comparing, return_exceptions=True)
                await wait_until(lambda: not asked())


async def test_only_this_machine_may_name_its_files(
    service: Service, versions: list[Version], files: list[Path]
) -> None:
    path = f"/models/{MODEL}/compare"
    token = AccessToken(service.workspace.token)
    token.renew()
    headers = {"Authorization": f"Bearer {token.read()}"}
    transport = httpx.ASGITransport(service.app, client=("192.0.2.7", 5000))
    client = httpx.AsyncClient(transport=transport, base_url=URL, headers=headers)
    async with client as elsewhere:
        for named in ([str(files[1])], []):
            answer = await elsewhere.post(path, json={"versions": [1, 2], "files": named})
            assert (answer.status_code, set(answer.json())) == (403, PROBLEM_FIELDS)
        assert (await elsewhere.post(path, json={"versions": [1, 2]})).status_code == 200


@pytest.mark.parametrize(
    "named", [["photos/red.jpg"], ["/photos\0"], [7], ["/photo.jpg"] * (MAX_FILES + 1)]
)
async def test_files_that_cannot_be_named_so_are_refused(
    service: Service, versions: list[Version], named: list[object]
) -> None:
    body = {"versions": [1, 2], "files": named}
    answer = await service.http.post(f"/models/{MODEL}/compare", json=body)
    assert (answer.status_code, set(answer.json())) == (400, PROBLEM_FIELDS)


async def test_one_version_answers_files_whether_it_is_live_or_not(
    service: Service, versions: list[Version], tmp_path: Path
) -> None:
    good, odd = tmp_path / "red.jpg", tmp_path / "note.jpg"
    good.write_bytes(painting("red", 1))
    odd.write_text("no photo")
    nameless = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    steps: list[tuple[int, int]] = []
    red, note, unnamed, missing = await service.client.predictions(
        MODEL, 1, [good, odd, nameless, tmp_path / "gone.jpg"], lambda *step: steps.append(step[:2])
    )
    assert red.scores[0].name == "red"
    assert len(red.scores) == 5
    assert sorted(red.scores, key=lambda each: -each.score) == red.scores
    assert [each.scores for each in (note, unnamed, missing)] == [[], [], []]
    assert all(each.problem.endswith(".") for each in (note, unnamed, missing))
    assert steps[-1][1] == 3
    (other,) = await service.client.predictions(MODEL, 2, [good])
    assert [each.name for each in other.scores] == ["scarlet", "blue"]
    assert await service.client.predictions(MODEL, 2, []) == []
    with pytest.raises(BackendRefused) as caught:
        await service.client.predictions(MODEL, 9, [good])
    assert caught.value.status == 404
