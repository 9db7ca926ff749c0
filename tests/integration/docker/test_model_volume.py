"""A model in a volume, for an engine that does not see this machine's folders."""

from __future__ import annotations

import asyncio
import contextlib
import io
import tarfile
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
from serving.fleet.record import InstanceLimits
from serving.fleet.switch_model import serve_model, unserve_model, use_model
from serving.models.model_folders import delete_model
from serving.models.pruning import remove_version
from serving.models.staging import commit_version, staged_version
from serving.workspace import Workspace
from tests.support.docker.docker_env import MODEL, DockerEnv
from tests.support.docker.second_engine import SecondEngine
from tests.support.load_generator import LoadGenerator
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


@pytest.fixture
async def remote_env(
    workspace: Workspace, fake_server_image: str, isolated_engine: SecondEngine
) -> AsyncIterator[DockerEnv]:
    """A fleet on an engine that does not see the workspace."""
    with contextlib.closing(isolated_engine.client()) as theirs:
        made = DockerEnv(workspace, fake_server_image, theirs, [isolated_engine.endpoint])
        try:
            yield made
        finally:
            await made.close()
            left = volumes(made)
            for name in left:
                theirs.remove_volume(name, force=True)
        assert all_containers(theirs) == []
        assert left == []


def volumes(docker_env: DockerEnv) -> list[str]:
    said = docker_env.api.volumes({"name": prefix(docker_env.workspace)})
    return [str(row["Name"]) for row in said["Volumes"] or ()]


def all_containers(api: docker.APIClient) -> list[str]:
    return [str(row["Names"][0]) for row in api.containers(all=True)]


def delivered(docker_env: DockerEnv) -> dict[str, bytes | None]:
    """What the first instance reads: the content of each file by its path, None of a folder."""
    folder = docker_env.workspace.models
    (row, *_) = docker_env.containers()
    chunks, _ = docker_env.api.get_archive(row["Id"], str(folder))
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        found: dict[str, bytes | None] = {}
        for member in archive:
            file = archive.extractfile(member)
            found[member.name.removeprefix(f"{folder.name}/")] = file.read() if file else None
    return found


def add_version(docker_env: DockerEnv, content: bytes, model: str = MODEL) -> int:
    with staged_version(docker_env.repository, model) as folder:
        (folder / "variables").mkdir()
        (folder / "assets").mkdir()
        (folder / "variables" / "numbers").write_bytes(content)
        (folder / "saved_model.pb").write_bytes(b"graph")
        return commit_version(docker_env.repository, model, folder).number


async def test_the_model_is_uploaded_to_a_volume_that_is_kept_up_to_date(
    remote_env: DockerEnv, sample_jpeg: bytes
) -> None:
    folder = remote_env.workspace.models
    await remote_env.fleet.scale(2)
    for row in remote_env.containers():
        (mount,) = remote_env.api.inspect_container(row["Id"])["Mounts"]
        assert (mount["Type"], mount["RW"]) == ("volume", False)
        assert mount["Destination"] == str(folder)
    (name,) = volumes(remote_env)
    labels = remote_env.api.inspect_volume(name)["Labels"]
    assert labels[names.WORKSPACE] == names.workspace_id(remote_env.workspace)
    async with remote_env.running():
        await remote_env.wait_for_view(lambda view: view.ready == 2)
        assert (await remote_env.client.classify(sample_jpeg)).version == 1
        number = add_version(remote_env, b"x" * 3_000_000)
        remote_env.repository.promote(MODEL, number)
        await remote_env.wait_for_view(
            lambda view: {each.version for each in view.instances} == {number}
        )
        assert (await remote_env.client.classify(sample_jpeg)).version == number
        inside = delivered(remote_env)
        assert inside[f"{MODEL}/{number}/variables/numbers"] == b"x" * 3_000_000
        assert inside[f"{MODEL}/{number}/assets"] is None
        assert inside["serving.config"] == (folder / "serving.config").read_bytes()
        # What was live before stays, and what never was does not take the time to be uploaded.
        assert f"{MODEL}/1/saved_model.pb" in inside
        assert f"{MODEL}/2/saved_model.pb" not in inside
        remove_version(remote_env.repository, MODEL, 1)
        await remote_env.wait_for_view(
            lambda view: f"{MODEL}/1/saved_model.pb" not in delivered(remote_env)
        )
        assert f"{MODEL}/{number}/saved_model.pb" in delivered(remote_env)
        # The writer goes after the last file is in.
        await wait_until(lambda: len(all_containers(remote_env.api)) == 2)
        await remote_env.fleet.scale(0)
    assert volumes(remote_env) == []


async def test_models_are_uploaded_as_they_are_served_and_removed_as_they_are_deleted(
    remote_env: DockerEnv, sample_jpeg: bytes
) -> None:
    fleet, repository, name = remote_env.fleet, remote_env.repository, "Vögel & co"
    repository.promote(name, add_version(remote_env, b"z" * 1_000_000, name))
    async with remote_env.running(), LoadGenerator(remote_env.client, sample_jpeg, 8) as load:
        await fleet.scale(2)
        assert not any(path.startswith(name) for path in delivered(remote_env))
        await serve_model(fleet, repository, name)
        assert delivered(remote_env)[f"{name}/1/variables/numbers"] == b"z" * 1_000_000
        assert (await remote_env.client.classify(sample_jpeg, name)).model == name
        await use_model(fleet, repository, name)
        await use_model(fleet, repository, MODEL)
        await unserve_model(fleet, repository, name)
        await remote_env.wait_for_view(
            lambda view: all(set(each.versions) == {MODEL} for each in view.instances)
        )
        # It is served again without another upload until it is deleted.
        assert f"{name}/1/variables/numbers" in delivered(remote_env)
        delete_model(repository, name)
        await wait_until(lambda: f"{name}/1/variables/numbers" not in delivered(remote_env))
        assert f"{MODEL}/1/saved_model.pb" in delivered(remote_env)
    assert load.failures == []
    assert set(load.models) == {MODEL, name}
    await fleet.scale(0)


async def test_another_folder_of_the_same_name_is_not_mounted(
    remote_env: DockerEnv, isolated_engine: SecondEngine, sample_jpeg: bytes
) -> None:
    remote_env.repository.promote(MODEL, 3)
    config = remote_env.repository.config_path
    isolated_engine.write_hidden_file(
        config, config.read_text().replace("versions: 3", "versions: 1")
    )
    isolated_engine.write_hidden_file(config.parent / MODEL / "1" / "saved_model.pb", "an old one")
    await remote_env.fleet.scale(1)
    (row,) = remote_env.containers()
    assert [mount["Type"] for mount in row["Mounts"]] == ["volume"]
    assert (await remote_env.client.classify(sample_jpeg)).version == 3
    await remote_env.fleet.scale(0)


async def test_concurrent_starts_and_programs_upload_one_after_the_other(
    remote_env: DockerEnv, isolated_engine: SecondEngine
) -> None:
    remote_env.repository.promote(MODEL, add_version(remote_env, b"y" * 20_000_000))
    other = DockerEngine(remote_env.workspace, [remote_env.image], [isolated_engine.endpoint])
    spec = InstanceSpec(remote_env.repository.config_path.resolve())
    try:
        starts = [
            engine.start(spec, fleet_size=6)
            for engine in (remote_env.engine, other)
            for _ in range(3)
        ]
        started = await asyncio.gather(*starts)
        assert len(volumes(remote_env)) == 1
        assert len(all_containers(remote_env.api)) == 6
        assert len(delivered(remote_env)[f"{MODEL}/4/variables/numbers"] or b"") == 20_000_000
        await asyncio.gather(*(other.stop(instance.id, grace=1) for instance in started))
    finally:
        await other.close()


async def test_the_writer_of_a_killed_program_is_removed(
    remote_env: DockerEnv, isolated_engine: SecondEngine
) -> None:
    volume = ModelVolume(remote_env.workspace, remote_env.workspace.models)
    config: dict[str, Any] = {
        "Image": remote_env.image,
        "Labels": {
            names.WRITER: names.workspace_id(remote_env.workspace),
            names.CREATOR: names.creator().replace(" ", " 99999", 1),
        },
        "HostConfig": {"Mounts": [volume.mount(read_only=False)]},
    }
    create: Callable[..., object] = remote_env.api.create_container_from_config
    create(config, f"{volume.name}.writer")
    assert volumes(remote_env) == [volume.name]
    assert await remote_env.engine.instances() == []
    assert volumes(remote_env) == []
    assert all_containers(remote_env.api) == []
    create(config, f"{volume.name}.writer")
    await remote_env.fleet.scale(1)
    assert remote_env.fleet.view.ready == 1
    await remote_env.fleet.scale(0)


async def test_a_start_that_fails_leaves_neither_container_nor_volume(
    remote_env: DockerEnv,
) -> None:
    await remote_env.fleet.set_limits(InstanceLimits(memory_limit=1000))
    with pytest.raises(EngineError, match=r"(?i)memory limit"):
        await remote_env.fleet.scale(1)
    assert volumes(remote_env) == []
    assert all_containers(remote_env.api) == []


async def test_the_old_version_goes_on_if_the_volume_cannot_be_written(
    remote_env: DockerEnv, sample_jpeg: bytes
) -> None:
    await remote_env.fleet.scale(1)
    async with remote_env.running():
        await remote_env.wait_for_view(lambda view: view.ready == 1)
        config = remote_env.repository.config_path
        aside = config.with_name("gone")
        config.rename(aside)
        view = await remote_env.wait_for_view(
            lambda view: "cannot be read" in view.instances[0].instance.failure
        )
        assert view.ready == 1
        assert (await remote_env.client.classify(sample_jpeg)).version == 1
        aside.rename(config)
        remote_env.repository.promote(MODEL, 2)
        # The instance loads the version before the upload is complete and its error is cleared.
        await remote_env.wait_for_view(
            lambda view: view.instances[0].version == 2 and not view.instances[0].instance.failure,
            15,
        )
        await remote_env.fleet.scale(0)


def test_the_folder_is_hidden_from_the_engine(
    isolated_engine: SecondEngine, tmp_path: Path
) -> None:
    with contextlib.closing(isolated_engine.client()) as client:
        mount = {"Type": "bind", "Source": str(tmp_path), "Target": "/x", "ReadOnly": True}
        create: Callable[..., object] = client.create_container_from_config
        with pytest.raises(docker.errors.APIError, match="does not exist"):
            create({"Image": "any", "HostConfig": {"Mounts": [mount]}}, "servery-test-hidden")
