"""An engine on another machine, reached by TLS: a network and certificates of the test's own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from serving.engines.choose import choose_engine
from serving.engines.docker.chosen_engine import choose, parse_address
from serving.engines.docker.discovery import find_engine
from serving.engines.docker.endpoints import DockerEndpoint, TlsFiles
from serving.engines.docker.engine import DockerEngine
from serving.engines.docker.errors import EngineUnavailable
from serving.engines.docker.model_volume import prefix
from serving.engines.engine_address import EngineAddress, chosen_address
from serving.errors import EngineError, FleetUnavailable
from serving.workspace import Workspace
from tests.integration.docker.conftest import second_engine_driver
from tests.support import certificates
from tests.support.certificates import Authority
from tests.support.docker.docker_env import MODEL, DockerEnv
from tests.support.docker.images import save_image
from tests.support.docker.network_namespaces import NetworkMember
from tests.support.docker.swarm import SwarmNode, engines, unavailable_reason
from tests.support.load_generator import LoadGenerator
from tests.support.requirements import missing
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(600)]

PORT = 2376


@dataclass(frozen=True)
class FarEngine:
    """An engine in a network of its own, which sees no folder of any test."""

    node: SwarmNode
    authority: Authority
    certificates: Path
    """Those of somebody who may use it."""

    @property
    def url(self) -> str:
        return f"tcp://{self.node.address}:{PORT}"

    @property
    def endpoint(self) -> DockerEndpoint:
        return self.endpoint_with(self.certificates)

    def endpoint_with(self, folder: Path) -> DockerEndpoint:
        return DockerEndpoint(self.url, "the test", TlsFiles(folder))


@pytest.fixture(scope="module")
def far(
    api: docker.APIClient, fake_server_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FarEngine]:
    if reason := unavailable_reason() or certificates.unavailable_reason():
        missing(reason)
    with tempfile.TemporaryDirectory(prefix="svtest-") as name:
        folder = Path(name)
        authority = Authority(folder / "authority")

        def arguments(member: NetworkMember) -> list[str]:
            server = authority.issue("engine", member.address)
            return [
                f"--host=tcp://0.0.0.0:{PORT}",
                "--tlsverify",
                f"--tlscacert={server / 'ca.pem'}",
                f"--tlscert={server / 'cert.pem'}",
                f"--tlskey={server / 'key.pem'}",
            ]

        hidden = tmp_path_factory.getbasetemp()
        with engines(1, second_engine_driver(api), arguments, hidden) as made:
            save_image(api, fake_server_image, folder / "image.tar")
            made.load_file(folder / "image.tar")
            yield FarEngine(made.manager, authority, authority.issue("person"))


@pytest.fixture
async def far_env(
    workspace: Workspace, fake_server_image: str, far: FarEngine
) -> AsyncIterator[DockerEnv]:
    made = DockerEnv(workspace, fake_server_image, far.node.api, [far.endpoint], timeout=2)
    try:
        yield made
        await made.fleet.scale(0)
    finally:
        await made.close()
    assert not far.node.api.volumes({"name": prefix(workspace)})["Volumes"]


def relays(far: FarEngine, container: str) -> int:
    """How many relays run in a container."""
    processes = far.node.api.top(container)["Processes"]
    return sum("/dev/tcp/" in " ".join(process) for process in processes)


async def test_a_fleet_behind_tls_serves_and_is_kept_up_to_date(
    far_env: DockerEnv, far: FarEngine, sample_jpeg: bytes
) -> None:
    reason = (await far_env.engine.availability()).reason
    assert f"answers at {far.url}" in reason
    assert "another machine: images that are classified are sent there" in reason
    await far_env.fleet.scale(2)
    rows = far_env.containers()
    assert {mount["Type"] for row in rows for mount in row["Mounts"]} == {"volume"}
    assert {port["IP"] for row in rows for port in row["Ports"]} == {"127.0.0.1"}
    async with far_env.running():
        view = await far_env.wait_for_view(lambda view: view.ready == 2)
        assert all(str(each.instance.grpc_address)[:10] == "127.0.0.1:" for each in view.instances)
        async with LoadGenerator(far_env.client, sample_jpeg, 8) as load:
            for each in view.instances:
                await load.wait_for_answers(each.instance.id, 50)
            far_env.repository.promote(MODEL, 2)
            await far_env.wait_for_view(
                lambda view: {each.version for each in view.instances} == {2}
            )
        assert load.failures == []
        name = view.instances[0].instance.id
        assert "the fake server begins" in await far_env.engine.logs(name)
        async with contextlib.aclosing(far_env.engine.follow_logs(name)) as lines:
            assert await anext(lines) == "the fake server begins"
        # One relay for an instance, not one a photo: gRPC keeps its connection.
        assert 1 <= sum(relays(far, row["Id"]) for row in rows) <= 8
        command = await far_env.engine.run_command(name)
        assert f"docker --host {far.url} --tlsverify --tlscacert {far.certificates}" in command


async def test_a_link_that_is_cut_shows_and_heals_by_itself(
    far_env: DockerEnv, far: FarEngine, sample_jpeg: bytes
) -> None:
    await far_env.fleet.scale(1)
    async with far_env.running():
        before = (await far_env.wait_for_view(lambda view: view.ready == 1)).instances[0].instance
        assert (await far_env.client.classify(sample_jpeg)).instance_id == before.id
        far.node.member.unplug()
        try:
            away = await far_env.wait_for_view(
                lambda view: view.ready == 0 and "does not answer" in view.engine_reason
            )
            assert far.url in away.engine_reason
            with pytest.raises(FleetUnavailable):
                await far_env.client.classify(sample_jpeg)
        finally:
            far.node.member.plug_in()
        view = await far_env.wait_for_view(
            lambda view: view.ready == 1 and "answers at" in view.engine_reason
        )
        assert view.instances[0].instance.id == before.id
        assert (await far_env.client.classify(sample_jpeg)).instance_id == before.id


def test_an_engine_that_is_not_to_be_trusted_and_one_that_does_not_trust_are_refused(
    far: FarEngine, tmp_path: Path
) -> None:
    foreign = Authority(tmp_path / "foreign").issue("person")
    with pytest.raises(EngineUnavailable, match="certificate is not to be trusted"):
        find_engine([far.endpoint_with(foreign)])
    # It knows the engine, which does not know it.
    shutil.copy(far.certificates / "ca.pem", foreign / "ca.pem")
    with pytest.raises(EngineUnavailable, match=r"not accept the certificate in cert\.pem"):
        find_engine([far.endpoint_with(foreign)])
    (foreign / "key.pem").unlink()
    with pytest.raises(EngineUnavailable, match=r"There is no key\.pem in"):
        find_engine([far.endpoint_with(foreign)])
    with pytest.raises(EngineUnavailable, match="whoever reaches that port could do anything"):
        find_engine([DockerEndpoint(far.url, "the test")])


async def test_relays_end_with_the_connection_that_needs_them(
    far_env: DockerEnv, far: FarEngine, sample_jpeg: bytes
) -> None:
    await far_env.fleet.scale(1)
    (row,) = far_env.containers()
    async with far_env.running():
        await far_env.wait_for_view(lambda view: view.ready == 1)
        await far_env.client.classify(sample_jpeg)
        assert relays(far, row["Id"])
    connection = far_env.engine.connection
    connection.lost(connection.find())
    await wait_until(lambda: relays(far, row["Id"]) == 0)


async def test_an_engine_that_is_chosen_is_the_one_of_every_program(
    far: FarEngine, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    address = parse_address(far.url, str(far.certificates))
    sentence = await choose(workspace, address)
    assert f"answers at {far.url}, chosen for this workspace" in sentence
    with pytest.raises(EngineError, match=f"does not have the image .* answers at {far.url}"):
        await choose_engine("auto", workspace)
    with pytest.raises(EngineUnavailable):
        await choose(workspace, EngineAddress(url="ssh://127.0.0.1:1"))
    assert chosen_address(workspace) == address
    await choose(workspace, parse_address("auto"))
    assert chosen_address(workspace).automatic


async def test_a_context_of_docker_has_its_certificates(
    far: FarEngine, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256(b"far").hexdigest()
    meta = tmp_path / "docker/contexts/meta" / digest / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": "far", "Endpoints": {"docker": {"Host": far.url}}}))
    shutil.copytree(far.certificates, tmp_path / "docker/contexts/tls" / digest / "docker")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    sentence = await choose(workspace, parse_address("far"))
    assert re.search(f"answers at {far.url}, the Docker context far, chosen for", sentence)
    engine = DockerEngine(workspace)
    try:
        assert await engine.instances() == []
    finally:
        await engine.close()
