"""POST /models/{model}/import: a folder or a zip file of photos becomes a training run."""

from __future__ import annotations

import asyncio
import getpass
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from backend import uploads, zip_upload
from backend.client import BackendRefused
from backend.contract import RunState, TrainingRun
from backend.routes import import_photos
from serving.access_token import AccessToken
from tests.support.backend_env import MODEL, URL, Service, write_worker
from tests.support.problems import PROBLEM_FIELDS
from tests.support.sample_images import drawings
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

ASK = """
folder = Path(spec.import_folder)
found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
send(TrainingFailure(" ".join(found), "This worker only looks."))
"""


@pytest.fixture
def photos(tmp_path: Path, worker_script: Path) -> Path:
    """A folder of folders; the worker says what it finds in what it is given."""
    write_worker(worker_script, ASK)
    for kind in ("smiley", "rings"):
        drawings(tmp_path / "photos" / kind, kind, kind, 2)
    return tmp_path / "photos"


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*.jpg")):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


async def ended(service: Service, run: TrainingRun) -> TrainingRun:
    async def has_ended() -> bool:
        return (await service.client.training_run(run.id)).state.finished

    await wait_until(has_ended)
    return await service.client.training_run(run.id)


FOUND = "rings/rings-00.jpg rings/rings-01.jpg smiley/smiley-00.jpg smiley/smiley-01.jpg"


async def test_a_folder_is_read_where_it_is(service: Service, photos: Path) -> None:
    run = await service.client.import_folder(MODEL, photos)
    assert (run.state, run.model, run.imported_from) == (RunState.QUEUED, MODEL, str(photos))
    assert (await ended(service, run)).step.startswith(FOUND)


@pytest.mark.parametrize("as_zip", [False, True])
@pytest.mark.parametrize("by", ["", "ada"])
async def test_who_imports_photos_says_what_they_show(
    service: Service, photos: Path, worker_script: Path, by: str, as_zip: bool
) -> None:
    photo = f'ReadPhoto("{1:064x}", "owl", False)'
    write_worker(worker_script, f"send(PhotosRead(({photo},)))" + ASK)
    address = f"/models/{MODEL}/import?by={by}"
    if as_zip:
        answer = await service.http.post(address, content=zipped(photos))
    else:
        answer = await service.http.post(address, json={"folder": str(photos)})
    assert answer.status_code == 202
    await wait_until(lambda: counted(service))
    (label,) = (await service.store.labels.snapshot(MODEL)).current
    assert label.by == (by or getpass.getuser())


async def counted(service: Service) -> int:
    return (await service.client.labels(MODEL)).total


async def test_a_zip_file_is_unpacked_for_the_run_alone(
    service: Service, photos: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "my photos.zip"
    archive.write_bytes(zipped(photos))
    run = await service.client.import_zip(MODEL, archive)
    assert run.imported_from == "my photos.zip"
    assert (await ended(service, run)).step.startswith(FOUND)
    uploads = service.workspace.training_runs / "uploads"
    await wait_until(lambda: list(uploads.iterdir()) == [])


async def test_a_form_names_its_file(service: Service, photos: Path) -> None:
    answer = await service.http.post(
        f"/models/{MODEL}/import", files={"file": ("zoo.zip", zipped(photos))}
    )
    assert (answer.status_code, answer.json()["imported_from"]) == (202, "zoo.zip")
    bare = await service.http.post(
        f"/models/{MODEL}/import",
        content=zipped(photos),
        headers={"Content-Type": "application/zip"},
    )
    assert bare.json()["imported_from"] == "a zip file"


async def test_what_cannot_be_imported_is_refused_before_there_is_a_run(
    service: Service, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(import_photos, "MAX_ZIP_BYTES", 10_000)
    path = f"/models/{MODEL}/import"
    for status, request in [
        (400, {"json": {"folder": str(tmp_path / "empty")}}),
        (400, {"json": {"folder": str(tmp_path / "nowhere")}}),
        (400, {"json": {"folder": "photos"}}),
        (400, {"content": b'{"folder":' * 50_000, "headers": {"Content-Type": "application/json"}}),
        (400, {"json": {"folder": "/photos\0"}}),
        (400, {"json": {}}),
        (400, {"json": []}),
        (400, {"content": b"no zip file"}),
        (400, {"content": b""}),
        (400, {"data": {"file": "text"}, "files": {"other": b"x"}}),
        (400, {"content": zipped(tmp_path / "empty")}),
        (413, {"content": bytes(10_001)}),
        (413, {"files": {"file": bytes(10_001)}}),
    ]:
        answer = await service.http.request("POST", path, **request)  # type: ignore[arg-type]
        assert (answer.status_code, set(answer.json())) == (status, PROBLEM_FIELDS), request
    with pytest.raises(BackendRefused, match="no model nothing"):
        await service.client.import_folder("nothing", photos)
    assert await service.client.training_runs() == []
    kept = service.workspace.training_runs / "uploads"
    assert not kept.exists() or list(kept.iterdir()) == []


async def test_a_zip_file_without_room_is_answered_as_any_full_disk_is(
    service: Service, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_upload, "FREE_BYTES", 2**62)
    for request in ({"content": zipped(photos)}, {"files": {"file": zipped(photos)}}):
        answer = await service.http.request("POST", f"/models/{MODEL}/import", **request)
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
        assert "disk is full" in answer.json()["detail"]
    kept = service.workspace.training_runs / "uploads"
    assert not kept.exists() or list(kept.iterdir()) == []


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7", "unknown"])
async def test_only_this_machine_may_name_its_folders(
    service: Service, photos: Path, host: str
) -> None:
    transport = httpx.ASGITransport(service.app, client=(host, 5000))
    headers = {"Authorization": f"Bearer {AccessToken(service.workspace.token).renew()}"}
    async with httpx.AsyncClient(transport=transport, base_url=URL, headers=headers) as elsewhere:
        path = f"/models/{MODEL}/import"
        answer = await elsewhere.post(path, json={"folder": str(photos)})
        assert answer.status_code == 403
        assert "zip file" in answer.json()["advice"]
        assert (await elsewhere.post(path, content=zipped(photos))).status_code == 202


async def test_two_zip_files_of_one_name_are_two_imports(
    service: Service, photos: Path, tmp_path: Path, worker_script: Path
) -> None:
    write_worker(worker_script, "time.sleep(60)\n")
    running = await service.client.import_folder(MODEL, photos)
    archive = tmp_path / "photos.zip"
    archive.write_bytes(zipped(photos))
    first = await service.client.import_zip(MODEL, archive)
    second = await service.client.import_zip(MODEL, archive)
    assert first.id != second.id
    again = await service.client.import_folder(MODEL, photos)
    assert again.id != running.id
    assert (await service.client.import_folder(MODEL, photos)).id == again.id
    for run in (first, second, again, running):
        assert (await service.client.cancel_training(run.id)).state is RunState.CANCELLED
    uploads = service.workspace.training_runs / "uploads"
    assert list(uploads.iterdir()) == []


@pytest.mark.parametrize("parts", [1, 2, 40])
async def test_what_is_too_large_is_answered_as_soon_as_all_of_it_came(
    service: Service, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    monkeypatch.setattr(import_photos, "MAX_ZIP_BYTES", 10_000)
    monkeypatch.setattr(uploads, "_DRAIN_TIMEOUT", 3600.0)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(parts):
            yield bytes(10_001)

    async with asyncio.timeout(TIMEOUT_SECONDS):
        answer = await service.http.post(f"/models/{MODEL}/import", content=body())
    assert answer.status_code == 413
