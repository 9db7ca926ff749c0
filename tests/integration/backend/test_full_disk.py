"""A disk without room: a clear error, and what is live goes on as it was."""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.client import BackendRefused
from backend.contract import NewModel, RunState
from serving.workspace import Workspace
from tests.support.backend_env import MODEL, Service, write_worker
from tests.support.sample_images import image_bytes
from tests.support.tiny_model import install_tiny
from tests.support.waiting import wait_until

SIZE = 4 * 2**20

WRITE = """
staged = Path(spec.staging_folder)
shutil.copytree(spec.base_folder, staged, dirs_exist_ok=True)
"""
RESULT = "send(TrainingResult(Evaluation(50, 0.9, 0.8, 50, 0.9, 0.8), 1, 0))\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace on a disk of its own, of 4 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", disk],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield Workspace(disk / "workspace").create()
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(workspace: Workspace) -> Path:
    """Write a file that takes all that is left of the disk."""
    path = workspace.root / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return path


async def test_nothing_that_is_live_is_harmed_and_everything_works_once_there_is_room(
    service: Service, worker_script: Path, tmp_path: Path
) -> None:
    install_tiny(service.repository, "tiny")
    await service.client.use_model(MODEL)
    await service.client.label(image_bytes("red"), "zebra")
    write_worker(worker_script, WRITE + "(staged / 'large').write_bytes(bytes(2**16))\n" + RESULT)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("cats/1.jpg", image_bytes())
    (tmp_path / "photos.zip").write_bytes(buffer.getvalue())
    before = [model.versions for model in await service.client.models()]
    filler = fill(service.workspace)

    for call in (
        service.client.label(image_bytes("blue"), "horse"),
        service.client.create_model(NewModel("mine", "tiny")),
        service.client.import_zip(MODEL, tmp_path / "photos.zip"),
        service.client.add_built_in("efficientnet-lite0"),
    ):
        with pytest.raises(BackendRefused, match=r"[Nn]o space left|disk is full|are free"):
            await call
    with pytest.raises(BackendRefused, match=r"[Nn]o space left|disk is full"):
        await service.client.use_model("tiny")
    assert [model.versions for model in await service.client.models()] == before
    assert service.repository.served().current == MODEL
    assert service.repository.live(MODEL).number == 1

    filler.unlink()
    assert (await service.client.use_model("tiny")).current
    assert (await service.client.create_model(NewModel("mine", "tiny"))).live_version == 1
    await service.client.label(image_bytes("blue"), "horse", model=MODEL)
    assert (await service.client.labels(MODEL)).total == 2


async def test_a_training_run_says_that_the_disk_is_full(
    service: Service, worker_script: Path
) -> None:
    await service.client.label(image_bytes("red"), "zebra")
    write_worker(
        worker_script,
        WRITE
        + """
try:
    with (Path(spec.staging_folder) / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
except OSError:
    pass
"""
        + RESULT,
    )
    run = await service.client.train()

    async def has_ended() -> bool:
        return (await service.client.training_run(run.id)).state.finished

    await wait_until(has_ended)
    ended = await service.client.training_run(run.id)
    assert ended.state is RunState.FAILED
    assert "the disk is full" in ended.step
    assert service.repository.live(MODEL).number == 1
