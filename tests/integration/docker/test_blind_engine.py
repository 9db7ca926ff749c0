"""An engine that does not see this machine's folders gets the model by a volume."""

from __future__ import annotations

import asyncio
import contextlib
import io
import tarfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import docker
import pytest

from serving.engines.docker import names
from serving.engines.docker.engine import DockerEngine
from serving.engines.docker.model_volume import ModelVolume, prefix
from serving.engines.protocol import InstanceSpec
from serving.errors import EngineError
from serving.fleet.record import Limits
from serving.workspace import Workspace
from tests.integration.docker.ground import MODEL, DockerGround
from tests.integration.docker.second_engine import SecondEngine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]

DELIVERED_SECONDS = 5.0
"""Within which the instances answer with a version that was promoted."""


@pytest.fixture
async def far(
    workspace: Workspace, stand_in: str, blind: SecondEngine
) -> AsyncIterator[DockerGround]:
    """A fleet on an engine that does not see the workspace."""
    with contextlib.closing(blind.client()) as theirs:
        made = DockerGround(workspace, stand_in, theirs, [blind.endpoint])
        try:
            yield made
        finally:
            await made.close()
            left = volumes(made)
            for name in left:
                theirs.remove_volume(name, force=True)
        assert all_containers(theirs) == []
        assert left == []


def volumes(ground: DockerGround) -> list[str]:
    said = ground.api.volumes({"name": prefix(ground.workspace)})
    return [str(row["Name"]) for row in said["Volumes"] or ()]


def all_containers(api: docker.APIClient) -> list[str]:
    return [str(row["Names"][0]) for row in api.containers(all=True)]


def delivered(ground: DockerGround) -> dict[str, bytes | None]:
    """What the first instance reads: the content of each file by its path, None of a folder."""
    folder = ground.workspace.models / MODEL
    (row, *_) = ground.containers()
    chunks, _ = ground.api.get_archive(row["Id"], str(folder))
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        found: dict[str, bytes | None] = {}
        for member in archive:
            file = archive.extractfile(member)
            found[member.name.removeprefix(f"{MODEL}/")] = file.read() if file else None
    return found


def add_version(ground: DockerGround, content: bytes) -> int:
    with ground.repository.staged(MODEL) as folder:
        (folder / "variables").mkdir()
        (folder / "assets").mkdir()
        (folder / "variables" / "numbers").write_bytes(content)
        (folder / "saved_model.pb").write_bytes(b"graph")
        return ground.repository.adopt(MODEL, folder).number


async def test_the_model_goes_in_by_a_volume_that_is_kept_up_to_date(
    far: DockerGround, picture: bytes
) -> None:
    folder = far.workspace.models / MODEL
    await far.fleet.scale(2)
    for row in far.containers():
        (mount,) = far.api.inspect_container(row["Id"])["Mounts"]
        assert (mount["Type"], mount["RW"]) == ("volume", False)
        assert mount["Destination"] == str(folder)
    (name,) = volumes(far)
    labels = far.api.inspect_volume(name)["Labels"]
    assert labels[names.WORKSPACE] == names.workspace_id(far.workspace)
    assert labels[names.MODEL] == MODEL
    async with far.running():
        await far.until(lambda view: view.ready == 2)
        assert (await far.client.classify(picture)).version == 1
        number = add_version(far, b"x" * 3_000_000)
        far.repository.promote(MODEL, number)
        began = time.monotonic()
        await far.until(lambda view: {each.version for each in view.instances} == {number})
        assert time.monotonic() - began < DELIVERED_SECONDS
        assert (await far.client.classify(picture)).version == number
        inside = delivered(far)
        assert inside[f"{number}/variables/numbers"] == b"x" * 3_000_000
        assert inside[f"{number}/assets"] is None
        assert inside["serving.config"] == (folder / "serving.config").read_bytes()
        for path in (folder / "2").iterdir():
            path.unlink()
        (folder / "2").rmdir()
        await far.until(lambda view: "2/saved_model.pb" not in delivered(far), DELIVERED_SECONDS)
        assert {"1/saved_model.pb", "3/saved_model.pb"} < delivered(far).keys()
        assert len(all_containers(far.api)) == 2
        await far.fleet.stop()
    assert volumes(far) == []


async def test_another_folder_of_the_same_name_is_not_taken_for_the_model(
    far: DockerGround, blind: SecondEngine, picture: bytes
) -> None:
    far.repository.promote(MODEL, 3)
    config = far.repository.config_path(MODEL)
    blind.see(config, config.read_text().replace("versions: 3", "versions: 1"))
    blind.see(config.parent / "1" / "saved_model.pb", "an old one")
    await far.fleet.scale(1)
    (row,) = far.containers()
    assert [mount["Type"] for mount in row["Mounts"]] == ["volume"]
    assert (await far.client.classify(picture)).version == 3
    await far.fleet.stop()


async def test_many_starts_and_programs_at_once_deliver_one_after_the_other(
    far: DockerGround, blind: SecondEngine
) -> None:
    add_version(far, b"y" * 20_000_000)
    other = DockerEngine(far.workspace, [far.image], [blind.endpoint])
    spec = InstanceSpec(model=MODEL, config_file=far.repository.config_path(MODEL).resolve())
    try:
        starts = [engine.start(spec, sharing=6) for engine in (far.engine, other) for _ in range(3)]
        started = await asyncio.gather(*starts)
        assert len(volumes(far)) == 1
        assert len(all_containers(far.api)) == 6
        assert len(delivered(far)["4/variables/numbers"] or b"") == 20_000_000
        await asyncio.gather(*(other.stop(instance.id, grace=1) for instance in started))
    finally:
        await other.close()


async def test_what_a_killed_program_left_is_cleared_away(
    far: DockerGround, blind: SecondEngine
) -> None:
    volume = ModelVolume(far.workspace, MODEL, far.workspace.models / MODEL)
    config: dict[str, Any] = {
        "Image": far.image,
        "Labels": {
            names.WRITER: names.workspace_id(far.workspace),
            names.STARTER: names.starter().replace(" ", " 99999", 1),
        },
        "HostConfig": {"Mounts": [volume.mount(read_only=False)]},
    }
    create: Callable[..., object] = far.api.create_container_from_config
    create(config, f"{volume.name}.writer")
    assert volumes(far) == [volume.name]
    assert await far.engine.instances() == []
    assert volumes(far) == []
    assert all_containers(far.api) == []
    create(config, f"{volume.name}.writer")
    await far.fleet.scale(1)
    assert far.fleet.view.ready == 1
    await far.fleet.stop()


async def test_a_start_that_fails_leaves_neither_container_nor_volume(far: DockerGround) -> None:
    await far.fleet.limit(Limits(memory_limit=1000))
    with pytest.raises(EngineError, match=r"(?i)memory limit"):
        await far.fleet.scale(1)
    assert volumes(far) == []
    assert all_containers(far.api) == []


async def test_a_volume_that_cannot_be_written_is_said_and_the_old_version_goes_on(
    far: DockerGround, picture: bytes
) -> None:
    await far.fleet.scale(1)
    async with far.running():
        await far.until(lambda view: view.ready == 1)
        config = far.repository.config_path(MODEL)
        aside = config.with_name("gone")
        config.rename(aside)
        view = await far.until(lambda view: "cannot be read" in view.instances[0].instance.failure)
        assert view.ready == 1
        assert (await far.client.classify(picture)).version == 1
        aside.rename(config)
        far.repository.promote(MODEL, 2)
        await far.until(lambda view: view.instances[0].version == 2, 15)
        assert far.fleet.view.instances[0].instance.failure == ""
        await far.fleet.stop()


def test_the_folder_is_hidden_from_the_engine(blind: SecondEngine, tmp_path: Path) -> None:
    with contextlib.closing(blind.client()) as client:
        mount = {"Type": "bind", "Source": str(tmp_path), "Target": "/x", "ReadOnly": True}
        create: Callable[..., object] = client.create_container_from_config
        with pytest.raises(docker.errors.APIError, match="does not exist"):
            create({"Image": "any", "HostConfig": {"Mounts": [mount]}}, "servery-test-hidden")
