"""The swarm that the tests make for themselves."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest
from docker.types import ContainerSpec, EndpointSpec, RestartPolicy, ServiceMode, TaskTemplate

from serving.engines.docker.image.base_python import PYTHON
from tests.support.docker.swarm import Swarm, swarm
from tests.support.waiting import block_until

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.swarm, pytest.mark.timeout(600)]

PORT = 8500
LISTEN = f"import socket\nserver = socket.create_server(('', {PORT}))\nwhile True: server.accept()"


def start_service(made: Swarm, image: str, count: int) -> None:
    # The fake server itself needs a model.
    container = ContainerSpec(image, command=[PYTHON, "-c", LISTEN])
    template = TaskTemplate(container, restart_policy=RestartPolicy("any", delay=10**8))
    create: Callable[..., object] = made.manager.api.create_service
    ports: Any = {PORT: (PORT, "tcp", "host")}
    create(
        template,
        name="serving",
        mode=ServiceMode("replicated", count),
        endpoint_spec=EndpointSpec(mode="dnsrr", ports=ports),
    )


def is_listening(address: str) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, PORT)) == 0


def left_behind(folder: Path) -> list[str]:
    """What of engines in a folder is still on this machine."""
    commands = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    groups = [str(group) for group in Path("/sys/fs/cgroup").glob(f"**/{folder.name}*")]
    return [each for each in (*commands, *mounts, *groups) if folder.name in each]


def test_tasks_run_on_both_nodes_and_move_from_one_that_drains_or_dies(
    storage_driver: str, api: docker.APIClient, fake_server_image: str
) -> None:
    with swarm(2, storage_driver, api, [fake_server_image]) as made:
        folder = made.manager.log.parents[1]
        manager, worker = made.nodes
        assert [row["Description"]["Hostname"] for row in made.rows()].count("node1") == 1
        start_service(made, fake_server_image, 2)
        block_until(
            lambda: {node.name for node in made.running("serving")} == {"node1", "node2"},
            details=made.tasks,
        )
        for node in made.nodes:
            block_until(partial(is_listening, node.address))
        made.drain(worker)
        block_until(lambda: [node.name for node in made.running("serving")] == ["node1"])
        made.activate(worker)
        block_until(lambda: len(made.running("serving")) == 2)
        worker.kill()
        block_until(lambda: made.count_ready() == 1)
        worker.launch()
        worker.wait()
        block_until(lambda: made.count_ready() == 2, details=worker.log.read_text)
        block_until(lambda: is_listening(worker.address))
        assert manager.api.info()["Swarm"]["Managers"] == 1
        assert left_behind(folder)
    assert left_behind(folder) == []
    assert not folder.exists()
    assert api.info()["Swarm"]["LocalNodeState"] == "inactive"
