"""How images come to a real engine: pulled from a registry on loopback, loaded, built."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
import time
import urllib.request
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import docker
import pytest

from serving.engines.docker.engine import DockerEngine
from serving.engines.docker.image.compatibility import IncompatibleImage
from serving.errors import EngineError
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.docker.images import PREFIX, TOKEN
from tests.support.docker.registry import Registry
from tests.support.tiny_model import TINY_MODEL, install_tiny
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture
async def engine(workspace: Workspace, api: docker.APIClient) -> AsyncIterator[DockerEngine]:
    made = DockerEngine(workspace)
    yield made
    await made.close()


class Reports(list[tuple[float, int, int, str]]):
    """What was reported and when; `begun` is set once bytes have come."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()

    def __call__(self, done: int, total: int, text: str) -> None:
        self.append((time.monotonic(), done, total, text))
        if "MB" in text:
            self.begun.set()


def has(api: docker.APIClient, name: str) -> bool:
    return any(name in (image["RepoTags"] or ()) for image in api.images())


async def test_a_pull_shows_one_bar_with_bytes_rate_and_time_left(
    engine: DockerEngine, api: docker.APIClient
) -> None:
    reports = Reports()
    with Registry(rate=1.2e6) as registry:
        try:
            image = await engine.images.pull(registry.image, reports)
            assert image.name == registry.image
            assert has(api, registry.image)
        finally:
            await engine.images.remove(registry.image)
    done = [percent for _, percent, _, _ in reports]
    assert done == sorted(done)
    assert len(set(done)) > 5
    assert {total for _, _, total, _ in reports} == {100}
    times = [moment for moment, _, _, _ in reports]
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) < 1
    assert sum(gaps) / len(gaps) <= 0.5
    texts = [text for *_, text in reports]
    assert any("MB of 8.4 MB" in text and "MB/s" in text and "s left" in text for text in texts)


async def test_a_cancelled_pull_ends_before_the_image_is_there(
    engine: DockerEngine, api: docker.APIClient
) -> None:
    reports = Reports()
    with Registry(rate=5e5) as registry:
        pull = asyncio.create_task(engine.images.pull(registry.image, reports))
        async with asyncio.timeout(30):
            await reports.begun.wait()
        pull.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pull
        assert registry.sent < sum(map(len, registry.blobs.values()))
        await asyncio.sleep(1)
        sent = registry.sent
        await asyncio.sleep(1)
        assert registry.sent == sent
        assert not has(api, registry.image)


async def test_a_pull_survives_a_connection_that_breaks(
    engine: DockerEngine, api: docker.APIClient
) -> None:
    reports = Reports()
    with Registry(layers=1) as registry:
        registry.breaks = 1
        try:
            await engine.images.pull(registry.image, reports)
        finally:
            await engine.images.remove(registry.image)
    done = [percent for _, percent, _, _ in reports]
    assert done == sorted(done)


async def test_an_image_that_no_registry_has_is_an_error_with_advice(
    engine: DockerEngine,
) -> None:
    with Registry() as registry:
        gone = registry.image
    with pytest.raises(EngineError, match="could not be pulled") as caught:
        await engine.images.pull(gone)
    assert "load the image from a file" in caught.value.advice


async def test_an_image_for_another_machine_is_refused_before_anything_is_loaded(
    engine: DockerEngine, api: docker.APIClient
) -> None:
    with Registry(architecture="s390x") as registry:
        with pytest.raises(IncompatibleImage, match="made for linux/s390x"):
            await engine.images.pull(registry.image)
        assert registry.sent < 10_000
        assert not has(api, registry.image)


async def test_an_image_is_loaded_from_a_file(
    engine: DockerEngine, api: docker.APIClient, tmp_path: Path
) -> None:
    name = f"{PREFIX}/tiny:{TOKEN}"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("hello"))
    api.import_image_from_data(content.getvalue(), f"{PREFIX}/tiny", TOKEN)
    path = tmp_path / "tiny.tar"
    try:
        path.write_bytes(b"".join(api.get_image(name)))
        api.remove_image(name)
        reports = Reports()
        assert await engine.images.load(path, reports) == [name]
        assert reports[-1][1:3] == (100, 100)
        assert has(api, name)
    finally:
        await engine.images.remove(name)


@pytest.mark.parametrize("content", [b"", b"no archive at all", bytes(10_240)])
async def test_a_file_without_an_image_is_an_error(
    engine: DockerEngine, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "bad.tar"
    path.write_bytes(content)
    with pytest.raises(EngineError) as caught:
        await engine.images.load(path)
    assert caught.value.advice
    with pytest.raises(EngineError, match="cannot be read"):
        await engine.images.load(tmp_path / "none.tar")


async def test_our_own_image_serves_like_the_official_one(
    model_server_image: str, api: docker.APIClient, workspace: Workspace
) -> None:
    repository = ModelRepository(workspace.models)
    install_tiny(repository)
    folder = workspace.models / TINY_MODEL
    host = api.create_host_config(
        port_bindings={8501: ("127.0.0.1", None)},
        binds={str(folder): {"bind": f"/models/{TINY_MODEL}", "mode": "ro"}},
        read_only=True,
        cap_drop=["ALL"],
    )
    made = api.create_container(
        model_server_image,
        ports=[8501],
        environment={"MODEL_NAME": TINY_MODEL},
        host_config=host,
        name=f"servery-test-own-{TOKEN}",
    )
    try:
        api.start(made["Id"])
        assert api.inspect_container(made["Id"])["Config"]["User"] == "65532:65532"
        port = api.inspect_container(made["Id"])["NetworkSettings"]["Ports"]["8501/tcp"][0]
        url = f"http://127.0.0.1:{port['HostPort']}/v1/models/{TINY_MODEL}"
        status = json.loads(await wait_until(lambda: asyncio.to_thread(_get, url)))
        (version,) = status["model_version_status"]
        assert (version["version"], version["state"]) == ("1", "AVAILABLE")
        await asyncio.to_thread(api.stop, made["Id"], 20)
        # It would be another one if the engine had killed it after those 20 seconds.
        assert api.inspect_container(made["Id"])["State"]["ExitCode"] == 0
    finally:
        api.remove_container(made["Id"], force=True)


def _get(url: str) -> bytes:
    """Return what the address answers with; nothing while nobody listens there."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bytes(response.read())
    except OSError:
        return b""
