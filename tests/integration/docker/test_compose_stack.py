"""The exported Compose file on a real engine: it classifies, learns, and leaves nothing behind."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from serving.stack.files import write_stack
from serving.stack.plan import StackPlan
from tests.support.docker.stack_client import LABELS, STACK_SECONDS, StackClient, available_versions
from tests.support.docker.stack_images import MODEL
from tests.support.requirements import missing
from tests.support.waiting import block_until

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.stack, pytest.mark.timeout(2400)]


class ComposeProject:
    """The stack in a project of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["docker-compose", "--project-name", self._name, *arguments],
            cwd=self._folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def logs(self) -> str:
        return self.run("logs", "--tail=40", "--no-color")

    def containers(self, service: str) -> list[str]:
        return self.run("ps", "--quiet", service).split()


@pytest.fixture
def project(local_plan: StackPlan, tmp_path: Path) -> Iterator[ComposeProject]:
    if shutil.which("docker-compose") is None:
        missing("docker-compose is not installed")
    write_stack(local_plan, tmp_path / "stack")
    made = ComposeProject(tmp_path / "stack", local_plan.name)
    try:
        yield made
    finally:
        made.run("down", "--volumes", "--timeout=5")


def test_it_classifies_learns_and_survives_its_parts(
    project: ComposeProject, local_plan: StackPlan, api: docker.APIClient, tmp_path: Path
) -> None:
    plan = local_plan
    project.run("up", "--detach")
    client = StackClient(f"http://127.0.0.1:{plan.port}", plan.token, tmp_path)
    client.wait_until_it_classifies(project.logs)
    instances = project.containers("serving")
    assert len(instances) == plan.instances

    stranger = StackClient(client.url, "wrong", tmp_path)
    assert stranger.curl("/labels")[0] == 401
    assert stranger.curl("/healthz")[0] == 200

    for part, has_tensorflow in (("api", "0"), ("trainer", "1")):
        library = "/opt/servery/tensorflow/libtensorflow_cc.so.2"
        script = f"id -u; ls {library} 2>/dev/null | wc -l; touch /opt/x || echo read-only"
        printed = project.run("exec", "-T", part, "sh", "-c", script)
        assert printed.split() == ["65532", has_tensorflow, "read-only"]

    version = client.teach(project.logs)
    assert version == 2

    def all_have_it() -> bool:
        return all(version in available_versions(api, each, MODEL) for each in instances)

    block_until(all_have_it, STACK_SECONDS, details=project.logs)

    # The API goes on without the trainer, and another API has the same labels.
    project.run("stop", "--timeout=5", "trainer")
    assert client.classify(b"no photo")[0] == 415
    project.run("up", "--detach", "--no-deps", "--force-recreate", "api")
    client.wait_until_it_classifies(project.logs)
    assert client.labelled() == LABELS

    # One instance fewer, and one more.
    for count in (1, 3):
        project.run("up", "--detach", "--no-deps", "--scale", f"serving={count}", "serving")
        client.wait_until_it_classifies(project.logs)
