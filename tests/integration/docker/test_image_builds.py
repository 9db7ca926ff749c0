"""Images that several people build at the same time on one real engine."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest

from serving.engines.docker.engine import DockerEngine
from serving.engines.docker.image.build import build_from_files
from serving.engines.docker.image.constants import IMPORTED_BASES, STAGE_LABEL
from serving.engines.docker.tar_archive import Member
from serving.workspace import Workspace
from tests.support.docker.images import PREFIX, TOKEN
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

DOCKERFILE = f"""\
ARG BASE
FROM ${{BASE}} AS first
ARG BUILD_ID
LABEL {STAGE_LABEL}=${{BUILD_ID}}
COPY Dockerfile /copied
FROM ${{BASE}}
COPY --from=first /copied /copied
""".encode()


@pytest.fixture
async def engine(workspace: Workspace, api: docker.APIClient) -> AsyncIterator[DockerEngine]:
    made = DockerEngine(workspace)
    yield made
    await made.close()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.tar"
    with tarfile.open(path, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(f"of-{TOKEN}"))
    return path


def bases(api: docker.APIClient, base: Path) -> set[str]:
    """Return the names of the images made of `base`; others build on this engine meanwhile."""
    layers = [f"sha256:{hashlib.sha256(base.read_bytes()).hexdigest()}"]
    found: set[str] = set()
    inspect: Callable[[str], dict[str, Any]] = api.inspect_image
    for image in api.images(IMPORTED_BASES):
        with contextlib.suppress(docker.errors.NotFound):  # removed meanwhile by its own build
            if inspect(image["Id"])["RootFS"]["Layers"] == layers:
                found.update(image["RepoTags"] or ())
    return found


def dockerfile(until: threading.Event | None = None) -> list[Member]:
    """Return the files of a build, which the engine gets once the event is set."""

    def open_late() -> io.BytesIO:
        if until is not None:
            assert until.wait(60)
        return io.BytesIO(DOCKERFILE)

    return [Member("Dockerfile", len(DOCKERFILE), open_late)]


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_build_takes_nothing_from_another_that_still_runs(
    engine: DockerEngine, api: docker.APIClient, base: Path, cancelled: bool
) -> None:
    names = [f"{PREFIX}/built-{number}:{TOKEN}" for number in range(2)]
    assert not bases(api, base)
    begun = threading.Event()
    try:
        slow = asyncio.create_task(
            build_from_files(engine.images, names[0], str(base), dockerfile(begun))
        )
        await wait_until(lambda: bool(bases(api, base)))
        await build_from_files(engine.images, names[1], str(base), dockerfile())
        if cancelled:
            slow.cancel()
        begun.set()
        if cancelled:
            with pytest.raises(asyncio.CancelledError):
                await slow
        else:
            assert (await slow).name == names[0]
        assert not bases(api, base)
    finally:
        begun.set()
        for name in names:
            await engine.images.remove(name)


async def test_a_build_removes_what_killed_builds_left_a_day_ago(
    engine: DockerEngine, api: docker.APIClient, base: Path
) -> None:
    old, name = f"{IMPORTED_BASES}:{TOKEN}", f"{PREFIX}/built:{TOKEN}"
    load: Callable[[bytes], Iterable[Mapping[str, str]]] = api.load_image
    # Any build that ends beside this test may remove it, so that it is not looked for here.
    answers = "".join(each.get("stream", "") for each in load(_image_of_2020(old, base)))
    assert old in answers
    try:
        await build_from_files(engine.images, name, str(base), dockerfile())
        assert old not in bases(api, base)
    finally:
        await engine.images.remove(old)
        await engine.images.remove(name)


def _image_of_2020(name: str, layer: Path) -> bytes:
    """Return what `docker load` reads: an image with one layer, made years ago."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": "2020-01-01T00:00:00Z",
            "config": {},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer.read_bytes()).hexdigest()}"],
            },
        }
    ).encode()
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    members = [
        ("config.json", config),
        ("manifest.json", json.dumps(manifest).encode()),
        ("layer.tar", layer.read_bytes()),
    ]
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, content in members:
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()
