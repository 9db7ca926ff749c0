"""/models: made, renamed, duplicated, deleted and restored, with all that belongs to them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from backend.client import BackendClient, BackendRefused
from backend.contract import NewModel
from backend.models import lifecycle
from backend.store.label_writing import Statement
from serving.errors import ModelError
from serving.models.model_folders import delete_model, deleted_models
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.backend_env import (
    MODEL,
    URL,
    Service,
    add_version,
    open_backend_env,
    write_worker,
)
from tests.support.sample_images import image_bytes
from tests.support.tiny_model import install_tiny

EACH_DATABASE = True


def add_model(service: Service, name: str, versions: int = 1) -> None:
    for _ in range(versions):
        add_version(service.repository, model=name)
    service.repository.promote(name, versions)


async def names(service: Service) -> list[str]:
    return [model.name for model in await service.client.models()]


@contextmanager
def refused(status: int, match: str) -> Iterator[None]:
    """Expect that the backend answers with this status and a sentence that matches."""
    with pytest.raises(BackendRefused, match=match) as caught:
        yield
    assert caught.value.status == status


async def test_the_current_model_comes_first(service: Service) -> None:
    for name in ("Zoo", "apes", MODEL):
        if name != MODEL:
            add_model(service, name, versions=2)
    await service.client.label(image_bytes(), "cat", model="apes")
    current, apes, zoo = await service.client.models()
    assert (current.name, apes.name, zoo.name) == (MODEL, "apes", "Zoo")
    assert (current.current, current.served, zoo.current, zoo.served) == (True, True, False, False)
    assert (apes.labels, zoo.labels, apes.class_count, apes.accuracy) == (1, 0, 3, 0.8)
    assert apes.size_bytes == sum(version.size_bytes for version in apes.versions) > 0
    assert await service.client.model("APES") == apes


async def test_a_model_begins_without_classes(service: Service) -> None:
    install_tiny(service.repository, "tiny")
    model = await service.client.create_model(NewModel("  My  pets ", "tiny"))
    assert (model.name, model.live_version, model.class_count) == ("My pets", 1, 0)
    assert (model.backbone, model.keeps_backbone_classes, model.served) == ("tiny", False, False)
    with refused(409, "nothing to learn"):
        await service.client.train("My pets")
    assert (await service.client.labels("My pets")).total == 0


async def test_a_model_may_begin_with_the_classes_of_its_backbone(service: Service) -> None:
    tiny = install_tiny(service.repository, "tiny")
    model = await service.client.create_model(NewModel("mine", "tiny", keep_classes=True))
    assert model.versions[0].classes == list(tiny.card().classes)
    assert model.keeps_backbone_classes
    assert service.repository.version("mine", 1).changed_files() == []


@pytest.mark.parametrize(
    ("name", "backbone", "status", "sentence"),
    [
        ("", "tiny", 400, "no name"),
        ("../x", "tiny", 400, "cannot"),
        ("a/b", "tiny", 400, "cannot contain /"),
        ("TINY", "tiny", 409, "called tiny already"),
        ("mine", "nothing", 404, "no model nothing"),
        ("mine", MODEL, 502, "cannot be read"),
    ],
)
async def test_what_cannot_be_made_leaves_nothing(
    service: Service, name: str, backbone: str, status: int, sentence: str
) -> None:
    install_tiny(service.repository, "tiny")
    with refused(status, sentence):
        await service.client.create_model(NewModel(name, backbone))
    assert sorted(await names(service)) == [MODEL, "tiny"]
    folders = {path.name for path in service.repository.root.iterdir() if path.is_dir()}
    assert folders == {MODEL, "tiny"}


async def test_a_model_without_a_network_to_teach_is_no_backbone(service: Service) -> None:
    answer = await service.http.post("/models", json={"name": "mine"})
    assert answer.status_code == 400


async def test_a_copy_is_independent(service: Service) -> None:
    add_model(service, "pets", versions=2)
    await service.client.label(image_bytes(), "cat", model="pets")
    copy = await service.client.duplicate_model("pets", "copy")
    assert (copy.name, copy.live_version, len(copy.versions), copy.labels) == ("copy", 2, 2, 1)
    await service.client.promote("copy", 1)
    await service.client.label(image_bytes("red"), "cat", model="copy")
    assert (await service.client.model("pets")).live_version == 2
    assert (await service.client.labels("pets")).total == 1
    with refused(409, "called copy already"):
        await service.client.duplicate_model("pets", "Copy")
    with refused(404, "no model"):
        await service.client.duplicate_model("nothing", "other")


async def test_a_renamed_model_keeps_its_labels_and_its_former_name_leads_to_it(
    service: Service,
) -> None:
    add_model(service, "pets")
    await service.client.label(image_bytes(), "cat", model="pets")
    renamed = await service.client.rename_model("pets", "animals")
    assert (renamed.name, renamed.labels, renamed.live_version) == ("animals", 1, 1)
    assert await names(service) == [MODEL, "animals"]
    late = await service.client.label(image_bytes("red"), "dog", model="pets")
    assert late.model == "animals"
    assert (await service.client.model("pets")).name == "animals"
    assert deleted_models(service.repository) == {}


async def test_the_current_model_can_be_renamed(service: Service) -> None:
    renamed = await service.client.rename_model(MODEL, "animals")
    assert (renamed.current, renamed.served) == (True, True)
    assert service.repository.served().names() == ("animals",)
    assert await names(service) == ["animals"]


async def test_a_model_that_is_also_served_stays_so_under_its_new_name(service: Service) -> None:
    add_model(service, "pets")
    await service.client.serve_model("pets")
    renamed = await service.client.rename_model("pets", "animals")
    assert (renamed.current, renamed.served) == (False, True)
    assert service.repository.served().names() == (MODEL, "animals")


async def test_capitals_of_a_name_can_be_changed(service: Service) -> None:
    await service.client.label(image_bytes(), "cat")
    capital = MODEL.capitalize()
    renamed = await service.client.rename_model(MODEL, capital)
    assert (renamed.name, renamed.current, renamed.labels) == (capital, True, 1)
    assert await names(service) == [capital]
    assert (await service.client.rename_model(capital, f" {capital} ")).name == capital


async def test_a_name_must_be_free_and_usable(service: Service) -> None:
    add_model(service, "pets")
    with refused(409, "called pets already"):
        await service.client.rename_model(MODEL, "PETS")
    with refused(400, "cannot contain"):
        await service.client.rename_model(MODEL, "a:b")
    with refused(404, "no model"):
        await service.client.rename_model("nothing", "other")
    assert await names(service) == [MODEL, "pets"]


async def test_a_rename_that_fails_leaves_everything_as_it_was(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(model: str) -> None:
        raise ModelError(f"Model {model} cannot be loaded.", "Look at the log.")

    monkeypatch.setattr(service.switch, "use", refuse)
    await service.client.label(image_bytes(), "cat")
    with refused(502, "cannot be loaded"):
        await service.client.rename_model(MODEL, "animals")
    assert await names(service) == [MODEL]
    assert (await service.client.labels()).total == 1
    assert deleted_models(service.repository) == {}


async def test_a_rename_that_fails_half_way_loses_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(model: str) -> None:
        raise ModelError(f"Model {model} cannot be unloaded.", "Look at the log.")

    await service.client.serve_model(MODEL)
    monkeypatch.setattr(service.switch, "unserve", refuse)
    await service.client.label(image_bytes(), "cat")
    with refused(502, "cannot be unloaded"):
        await service.client.rename_model(MODEL, "animals")
    assert await names(service) == ["animals", MODEL]
    assert (await service.client.labels(MODEL)).total == 1


async def test_how_many_versions_stay_is_set_and_applied(service: Service) -> None:
    add_model(service, "pets", versions=5)
    model = await service.client.keep_versions("pets", 2)
    assert model.keep_versions == 2
    assert [version.number for version in model.versions] == [5, 4, 1]
    with refused(400, "At least one version"):
        await service.client.keep_versions("pets", 0)


async def test_a_deleted_model_comes_back_with_everything(service: Service) -> None:
    add_model(service, "pets", versions=2)
    label = await service.client.label(image_bytes(), "cat", model="pets")
    before = await service.client.model("pets")
    deleted = await service.client.delete_model("pets")
    assert (deleted.name, deleted.versions, deleted.labels) == ("pets", 2, 1)
    assert await names(service) == [MODEL]
    assert await service.client.deleted_models() == [deleted]
    for call in (service.client.labels("pets"), service.client.versions("pets")):
        with refused(404, "no model pets"):
            await call
    assert await service.client.restore_model(deleted.token) == before
    assert await service.client.deleted_models() == []
    assert (await service.store.labels.snapshot("pets")).current == (label,)
    with refused(404, "is gone"):
        await service.client.restore_model(deleted.token)


async def test_a_served_model_is_unloaded_before_it_is_deleted(service: Service) -> None:
    add_model(service, "pets")
    await service.client.serve_model("pets")
    await service.client.delete_model("pets")
    assert service.repository.served().names() == (MODEL,)


async def test_the_current_model_cannot_be_deleted(service: Service) -> None:
    with refused(409, "current model"):
        await service.client.delete_model(MODEL)
    with refused(404, "no model"):
        await service.client.delete_model("nothing")
    assert await names(service) == [MODEL]


async def test_a_name_taken_meanwhile_keeps_a_deleted_model_away(service: Service) -> None:
    add_model(service, "pets")
    deleted = await service.client.delete_model("pets")
    await service.client.duplicate_model(MODEL, "Pets")
    assert (await service.client.model("Pets")).labels == 0
    with refused(409, "called Pets already"):
        await service.client.restore_model(deleted.token)
    await service.client.rename_model("Pets", "others")
    assert (await service.client.restore_model(deleted.token)).name == "pets"
    assert await names(service) == [MODEL, "others", "pets"]


async def test_a_model_that_learns_is_neither_renamed_nor_deleted(
    service: Service, worker_script: Path
) -> None:
    add_model(service, "pets")
    write_worker(worker_script, "time.sleep(60)\n")
    await service.client.label(image_bytes(), "zebra", model="pets")
    run = await service.client.train("pets")
    with refused(409, "is learning"):
        await service.client.rename_model("pets", "animals")
    with refused(409, "is learning"):
        await service.client.delete_model("pets")
    assert (await service.client.rename_model(MODEL, "other")).name == "other"
    await service.client.cancel_training(run.id)
    assert (await service.client.delete_model("pets")).name == "pets"


async def test_deleted_models_go_for_good_when_the_backend_ends(
    workspace: Workspace, worker_script: Path
) -> None:
    add_version(ModelRepository(workspace.models))
    ModelRepository(workspace.models).promote(MODEL, 1)
    async with open_backend_env(workspace, worker_script) as env:
        client = BackendClient(URL, transport=httpx.ASGITransport(env.app))
        await client.duplicate_model(MODEL, "pets")
        label = await client.label(image_bytes(), "cat", model="pets")
        await client.delete_model("pets")
        await client.close()
        image = env.store.images.path(label.image)
        assert image.is_file()
    assert not image.exists()
    assert deleted_models(env.repository) == {}


async def test_what_a_crash_left_of_a_deletion_is_finished_at_the_start(
    workspace: Workspace, worker_script: Path
) -> None:
    repository = ModelRepository(workspace.models)
    for model in (MODEL, "pets"):
        add_version(repository, model=model)
        repository.promote(model, 1)
    repository.change_served(lambda served: type(served)(MODEL))
    async with open_backend_env(workspace, worker_script) as env:
        await env.store.labels.add("pets", image_bytes(), Statement("cat"), lambda _: False)
    delete_model(repository, "pets")  # and the program ended here
    async with open_backend_env(workspace, worker_script) as env:
        assert await env.store.labels.totals() == {}
    assert deleted_models(repository) == {}


async def test_every_change_is_announced(service: Service) -> None:
    heard: list[tuple[str, str]] = []

    async def listen() -> None:
        async for event in service.broker.listen(60):
            assert event is not None
            heard.append((event.topic, event.id))

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0)
    await service.client.duplicate_model(MODEL, "copy")
    await service.client.rename_model("copy", "other")
    deleted = await service.client.delete_model("other")
    await service.client.restore_model(deleted.token)
    service.broker.close()
    await listener
    assert heard == [
        ("models", "copy"),
        ("labels", "copy"),
        ("models", "other"),
        ("labels", "other"),
        ("training", ""),
        ("models", "other"),
        ("labels", "other"),
        ("models", "other"),
        ("labels", "other"),
    ]


async def test_only_so_many_deleted_models_can_be_restored(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "MAX_DELETED", 2)
    deleted = []
    for number in range(3):
        add_model(service, f"model {number}")
        deleted.append(await service.client.delete_model(f"model {number}"))
    assert await service.client.deleted_models() == [deleted[2], deleted[1]]
    assert {*deleted_models(service.repository)} == {deleted[1].token, deleted[2].token}
    with pytest.raises(BackendRefused, match="is gone"):
        await service.client.restore_model(deleted[0].token)
    # The last one can always be brought back, however large it is.
    monkeypatch.setattr(lifecycle, "MAX_DELETED_BYTES", 1)
    add_model(service, "large")
    last = await service.client.delete_model("large")
    assert await service.client.deleted_models() == [last]
    assert (await service.client.restore_model(last.token)).name == "large"
