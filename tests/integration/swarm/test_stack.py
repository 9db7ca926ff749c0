"""The exported stack on a swarm of two nodes that share a folder: it classifies and learns."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest

from serving.stack.files import write_stack
from serving.stack.plan import StackFormat, StackPlan
from serving.stack.swarm import STACK_FILE
from tests.support.docker.images import save_images
from tests.support.docker.stack_client import STACK_SECONDS, StackClient, available_versions
from tests.support.docker.stack_images import MODEL
from tests.support.docker.swarm import Swarm, swarm
from tests.support.waiting import block_until

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.stack, pytest.mark.timeout(2400)]


class DeployedStack:
    """A stack on the nodes of a swarm, driven by `docker`."""

    def __init__(self, made: Swarm, folder: Path, plan: StackPlan) -> None:
        self._swarm, self._folder, self.plan = made, folder, plan

    def run_docker(self, *arguments: str) -> str:
        done = subprocess.run(
            ["docker", "--host", self._swarm.manager.endpoint.url, *arguments],
            cwd=self._folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deploy(self) -> None:
        # The nodes have the images, and there is no registry to ask.
        options = ("--compose-file", STACK_FILE, "--resolve-image", "never")
        self.run_docker("stack", "deploy", *options, self.plan.name)

    def tasks(self) -> str:
        services = self.run_docker("stack", "services", "--format", "{{.Name}}", self.plan.name)
        logs = [self.run_docker("service", "logs", "--tail=10", name) for name in services.split()]
        return "\n".join([self.run_docker("stack", "ps", "--no-trunc", self.plan.name), *logs])

    def instances(self) -> list[tuple[docker.APIClient, str]]:
        """Return each container of an instance, with the engine that runs it."""
        label = f"com.docker.swarm.service.name={self.plan.name}_serving"
        return [
            (node.api, str(row["Id"]))
            for node in self._swarm.nodes
            for row in node.api.containers(filters={"label": [label]})
        ]

    def versions(self) -> list[set[int]]:
        return [available_versions(api, each, MODEL) for api, each in self.instances()]


@contextmanager
def deployed(made: Swarm, folder: Path, plan: StackPlan) -> Iterator[DeployedStack]:
    write_stack(plan, folder / "stack")
    stack = DeployedStack(made, folder / "stack", plan)
    node = made.manager.api.inspect_node(made.manager.id)
    spec: Any = {**node["Spec"], "Labels": {"servery.data": "true"}}
    made.manager.api.update_node(made.manager.id, node["Version"]["Index"], spec)
    stack.deploy()
    yield stack


def test_a_label_becomes_a_version_on_every_node(
    storage_driver: str, api: docker.APIClient, local_plan: StackPlan, tmp_path: Path
) -> None:
    shared_folder = tmp_path / "shared"
    (shared_folder / "workspace" / "models").mkdir(parents=True, mode=0o700)
    for path in (shared_folder, shared_folder / "workspace", shared_folder / "workspace/models"):
        path.chmod(0o700)
        subprocess.run(["chown", "65532:65532", str(path)], check=True)
    plan = replace(local_plan, format=StackFormat.SWARM, shared_folder=str(shared_folder))
    with swarm(2, storage_driver, api) as made:
        archive = tmp_path / "images.tar"
        images = (plan.image, plan.api_image, plan.trainer_image, plan.postgres_image)
        save_images(images, archive)
        made.load_file(archive)
        archive.unlink()
        with deployed(made, tmp_path, plan) as stack:
            (api_node,) = _nodes_of(stack, made, "api")
            client = StackClient(f"http://{api_node}:{plan.port}", plan.token, tmp_path)
            client.wait_until_it_classifies(stack.tasks)
            version = client.teach(stack.tasks)
            block_until(
                lambda: stack.versions() == [{version}] * plan.instances,
                STACK_SECONDS,
                details=stack.tasks,
            )
            assert len({id(engine) for engine, _ in stack.instances()}) == 2  # one on each node
            stack.run_docker("service", "scale", "--detach", f"{plan.name}_serving=3")
            block_until(
                lambda: stack.versions() == [{version}] * 3, STACK_SECONDS, details=stack.tasks
            )
            assert client.classify(b"no photo")[0] == 415


def _nodes_of(stack: DeployedStack, made: Swarm, part: str) -> list[str]:
    """Return the addresses of the nodes that run a part of a stack, once one does."""
    found: list[str] = []

    def runs() -> bool:
        found[:] = [node.address for node in made.running(f"{stack.plan.name}_{part}")]
        return bool(found)

    block_until(runs, STACK_SECONDS, details=stack.tasks)
    return found
