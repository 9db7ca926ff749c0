"""Exports and imports over HTTP: what is refused at once, and what becomes of a job."""

from __future__ import annotations

import asyncio
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from backend.client import BackendRefused
from backend.contract import ModelFileJob, NewExport, RunState
from backend.model_files.archive_imports import ArchiveImports
from serving.access_token import AccessToken
from serving.exporting.archive import ArchivedLabel, write_archive
from serving.exporting.formats import ExportFormat
from serving.models.checksums import write_checksums
from serving.models.repository import ModelRepository
from serving.tf.messages import saved_model_pb2
from tests.support.backend_env import MODEL, URL, Service
from tests.support.sample_images import drawing
from tests.support.tiny_model import COLORS, install_tiny
from tests.support.waiting import wait_until


async def ended(service: Service, job: ModelFileJob) -> ModelFileJob:
    async def has_ended() -> bool:
        return (await service.client.model_file_job(job.id)).state.finished

    await wait_until(has_ended)
    return await service.client.model_file_job(job.id)


def new(kind: ExportFormat, target: Path, *, replace: bool = False) -> NewExport:
    return NewExport(kind, str(target), replace=replace)


async def exported(service: Service, target: Path, kind: ExportFormat) -> ModelFileJob:
    return await ended(service, await service.client.export_version("pets", 1, new(kind, target)))


async def refusal(service: Service, number: int, new: NewExport) -> BackendRefused:
    with pytest.raises(BackendRefused) as refused:
        await service.client.export_version(MODEL, number, new)
    return refused.value


async def test_a_version_is_exported_and_its_place_is_not_taken_twice(
    service: Service, tmp_path: Path
) -> None:
    install_tiny(service.repository)
    target = tmp_path / "out"
    done = await exported(service, target, ExportFormat.SAVED_MODEL)
    assert (done.state, done.done, done.photos) == (RunState.SUCCEEDED, 100, 4)
    assert (target / "1" / "saved_model.pb").is_file()
    again = new(ExportFormat.SAVED_MODEL, target)
    with pytest.raises(BackendRefused) as refused:
        await service.client.export_version("pets", 1, again)
    assert refused.value.status == 409
    job = await service.client.export_version(
        "pets", 1, new(ExportFormat.SAVED_MODEL, target, replace=True)
    )
    assert (await ended(service, job)).state is RunState.SUCCEEDED


async def test_photos_of_the_workspace_are_among_those_that_are_compared(
    service: Service, tmp_path: Path
) -> None:
    install_tiny(service.repository)
    await service.store.pool.add("pets", drawing("rings", 1))
    done = await exported(service, tmp_path / "out", ExportFormat.SAVED_MODEL)
    assert done.photos == 5


async def test_what_cannot_be_a_target_is_refused_at_once(service: Service, tmp_path: Path) -> None:
    for target, status in (
        (Path("relative"), 400),
        (tmp_path / "model.onnx", 400),
        (tmp_path / "no" / "such", 400),
        (service.repository.root / "x", 400),
    ):
        assert (await refusal(service, 1, new(ExportFormat.ONNX, target))).status == status
    missing = await refusal(service, 7, new(ExportFormat.ONNX, tmp_path / "out"))
    assert missing.status == 404


async def test_paths_of_this_machine_are_refused_from_another(
    service: Service, tmp_path: Path
) -> None:
    transport = httpx.ASGITransport(service.app, client=("192.0.2.1", 5))
    headers = {"Authorization": f"Bearer {AccessToken(service.workspace.token).renew()}"}
    async with httpx.AsyncClient(transport=transport, base_url=URL, headers=headers) as http:
        body = {"format": "onnx", "target": str(tmp_path / "out")}
        export = await http.post(f"/models/{MODEL}/versions/1/export", json=body)
        archive = {"file": str(tmp_path / "x.zip")}
        imported = await http.post("/model-archives", json=archive)
    assert (export.status_code, imported.status_code) == (403, 403)
    assert "can only be named on it" in export.text


async def test_why_an_export_failed_is_known(service: Service, tmp_path: Path) -> None:
    # The version of the fixture only looks like one.
    job = await service.client.export_version(MODEL, 1, new(ExportFormat.TFLITE, tmp_path / "out"))
    done = await ended(service, job)
    assert done.state is RunState.FAILED
    assert "is not loaded" in done.step
    assert done.advice
    assert not (tmp_path / "out").exists()


async def test_an_export_is_cancelled_while_it_waits_and_while_it_runs(
    service: Service, tmp_path: Path
) -> None:
    install_tiny(service.repository)
    first = await service.client.export_version(
        "pets", 1, new(ExportFormat.TFLITE, tmp_path / "first")
    )
    second = await service.client.export_version(
        "pets", 1, new(ExportFormat.TFLITE, tmp_path / "second")
    )
    waiting = await service.client.cancel_model_file_job(second.id)
    assert waiting.state is RunState.CANCELLED

    async def is_running() -> bool:
        return (await service.client.model_file_job(first.id)).done >= 5

    await wait_until(is_running)
    cancelled = await service.client.cancel_model_file_job(first.id)
    assert cancelled.state is RunState.CANCELLED
    names = await asyncio.to_thread(lambda: [path.name for path in tmp_path.iterdir()])
    assert not [name for name in names if "first" in name or "second" in name]
    assert await service.client.cancel_model_file_job(first.id) == cancelled


async def test_a_job_that_is_not_known_is_refused(service: Service) -> None:
    for call in (service.client.model_file_job, service.client.cancel_model_file_job):
        with pytest.raises(BackendRefused) as refused:
            await call("nothing")
        assert refused.value.status == 404


async def test_a_version_comes_back_with_its_labels_under_another_name(
    service: Service, tmp_path: Path
) -> None:
    install_tiny(service.repository)
    label = {"model": "pets", "by": "ada"}
    files = {"file": drawing("rings", 1)}
    answer = await service.http.post("/labels", data={**label, "class": "rings"}, files=files)
    assert answer.status_code == 201, answer.text
    target = tmp_path / "pets.zip"
    done = await exported(service, target, ExportFormat.SERVERY)
    assert (done.state, done.labels, done.without_embedding) == (RunState.SUCCEEDED, 1, 0)

    job = await ended(service, await service.client.import_archive(target, "zoo"))
    assert (job.state, job.model, job.labels) == (RunState.SUCCEEDED, "zoo", 1), job
    before = await service.store.archived_labels.read("pets")
    assert await service.store.archived_labels.read("zoo") == before
    assert before[0].by == "ada"
    model = await service.client.model("zoo")
    assert (model.live_version, model.labels, model.class_count) == (1, 1, len(COLORS))
    card = service.repository.live("zoo").card()
    assert (card.name, card.base_version) == ("zoo", None)
    assert service.repository.version("zoo", 1).changed_files() == []
    assert not list(service.repository.root.glob(".staging-*"))

    taken = await ended(service, await service.client.import_archive(target, "Zoo"))
    assert taken.state is RunState.FAILED
    assert "There is a model called zoo already" in taken.step


async def test_a_file_that_is_no_archive_is_refused(service: Service, tmp_path: Path) -> None:
    with pytest.raises(BackendRefused, match="There is no file"):
        await service.client.import_archive(tmp_path / "none.zip")
    with pytest.raises(BackendRefused) as refused:
        await service.client.import_archive(tmp_path / "none.zip", "a/b")
    assert refused.value.status == 400
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("photo.jpg", b"")
    done = await ended(service, await service.client.import_archive(other))
    assert done.state is RunState.FAILED
    assert "no model that another Servery exported" in done.step
    assert not list(service.repository.root.glob(".staging-*"))


async def test_a_version_that_can_do_more_than_compute_is_refused(
    service: Service, tmp_path: Path
) -> None:
    version = install_tiny(ModelRepository(tmp_path / "models"))
    graph = version.path / "saved_model.pb"
    message = saved_model_pb2.SavedModel.FromString(graph.read_bytes())
    message.meta_graphs[0].graph_def.node.add(name="read", op="ReadFile")
    graph.write_bytes(message.SerializeToString())
    archive = tmp_path / "evil.zip"
    write(version.path, archive, {})
    done = await ended(service, await service.client.import_archive(archive))
    assert done.state is RunState.FAILED
    assert "ReadFile" in done.step
    assert service.repository.models() == [MODEL]


async def test_embeddings_of_another_size_are_refused(service: Service, tmp_path: Path) -> None:
    version = install_tiny(ModelRepository(tmp_path / "models"))
    archive = tmp_path / "odd.zip"
    write(version.path, archive, {"ab" * 32: [1.0, 2.0]})
    done = await ended(service, await service.client.import_archive(archive))
    assert "not those of its version" in done.step


async def test_labels_of_an_import_that_was_killed_are_finished_or_forgotten(
    service: Service,
) -> None:
    label = ArchivedLabel("ab" * 32, "class", "cat", "", "2026-01-31T09:15:00Z")
    store = service.store.archived_labels
    # Killed before the model was there, and after.
    await store.add("gone", [label], lambda _: True)
    await store.add(MODEL, [label], lambda _: True)
    assert sorted(await store.waiting()) == [MODEL, "gone"]
    assert await store.read("gone") == await store.read(MODEL) == []
    unused: Any = None  # what runs jobs and changes models
    env = service
    await ArchiveImports(
        unused, unused, env.repository, env.store, env.workspace, env.broker
    ).open()
    assert await store.waiting() == []
    assert await store.read("gone") == []
    assert await store.read(MODEL) == [label]


async def test_an_import_that_is_repeated_adds_its_labels_once(service: Service) -> None:
    label = ArchivedLabel("ab" * 32, "class", "cat", "", "2026-01-31T09:15:00Z")
    store = service.store.archived_labels
    await store.add("new", [label], lambda _: True)
    await store.add("new", [label], lambda _: True)
    await store.arrive("new")
    assert await store.read("new") == [label]


def write(version: Path, target: Path, embeddings: dict[str, list[float]]) -> None:
    write_checksums(version)
    rows = {image: np.array(row, np.float32) for image, row in embeddings.items()}
    write_archive(version, target, (), rows, {}, lambda *_: None)
