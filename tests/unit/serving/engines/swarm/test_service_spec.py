"""The service that a swarm is asked for, and the command that makes the same one."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path
from typing import Any

import pytest

from serving.engines.docker import names
from serving.engines.docker.container import ContainerPlan
from serving.engines.docker.model_image.labels import BakedModel
from serving.engines.protocol import InstanceSpec
from serving.engines.swarm.create_command import create_command
from serving.engines.swarm.service_spec import (
    container_labels,
    endpoint_spec,
    replicas,
    rollback_config,
    service_labels,
    service_name,
    task_template,
    update_config,
)
from serving.workspace import Workspace

CONFIG = Path("/work, shared/models/serving.config")
PLAN = ContainerPlan(
    "waste:3", {names.SPEC: "abc"}, threads=2, user="1000:1000", default_memory=4 * 10**9
)
BAKED = ContainerPlan("waste:3", {}, threads=2, baked=BakedModel("waste", 3, "digest"))


def container(template: dict[str, Any]) -> dict[str, Any]:
    return dict(template["ContainerSpec"])


def test_the_models_are_mounted_under_their_own_path_and_nothing_else_can_be_written() -> None:
    made = container(task_template(InstanceSpec(CONFIG), PLAN))
    scratch, models = made["Mounts"]
    assert (scratch["Type"], scratch["Target"]) == ("tmpfs", "/tmp")
    assert models == {
        "Type": "bind",
        "Source": str(CONFIG.parent),
        "Target": str(CONFIG.parent),
        "ReadOnly": True,
    }
    assert made["ReadOnly"]
    assert made["CapabilityDrop"] == ["ALL"]
    assert made["Privileges"] == {"NoNewPrivileges": True}
    assert made["User"] == "1000:1000"
    assert f"--model_config_file={CONFIG}" in made["Args"]
    assert made["Healthcheck"]["Test"][0] == "CMD"


def test_an_image_of_a_model_needs_no_folder_and_brings_its_own_check() -> None:
    made = container(task_template(InstanceSpec(CONFIG), BAKED, no_new_privileges=False))
    assert [mount["Type"] for mount in made["Mounts"]] == ["tmpfs"]
    assert "Test" not in made["Healthcheck"]
    assert made["Healthcheck"]["Interval"] == 5_000_000_000
    assert "Privileges" not in made
    assert not any("model_config_file" in flag for flag in made["Args"])


def test_half_of_what_a_person_limits_is_reserved_and_nothing_of_what_is_the_default() -> None:
    limited = InstanceSpec(CONFIG, memory_limit=10**9, cpu_limit=1.5, pids_limit=100)
    assert task_template(limited, PLAN)["Resources"] == {
        "Limits": {"MemoryBytes": 10**9, "Pids": 100, "NanoCPUs": 1_500_000_000},
        "Reservations": {"MemoryBytes": 5 * 10**8, "NanoCPUs": 750_000_000},
    }
    assert task_template(InstanceSpec(CONFIG), PLAN)["Resources"] == {
        "Limits": {"MemoryBytes": 4 * 10**9},
        "Reservations": {},
    }


@pytest.mark.parametrize(("count", "at_once"), [(1, 1), (4, 1), (7, 1), (8, 2), (100, 25)])
def test_a_quarter_is_replaced_at_a_time(count: int, at_once: int) -> None:
    update, rollback = update_config(count), rollback_config(count)
    assert (update["Parallelism"], rollback["Parallelism"]) == (at_once, at_once)
    assert (update["Order"], rollback["Order"]) == ("start-first", "start-first")
    assert (update["FailureAction"], rollback["FailureAction"]) == ("rollback", "pause")


def test_the_engine_that_runs_containers_does_not_take_those_of_the_service_for_its_own(
    workspace: Workspace,
) -> None:
    assert names.WORKSPACE in service_labels(workspace, "abc")
    assert names.WORKSPACE not in container_labels(workspace, "abc")


def test_the_command_makes_the_same_service(workspace: Workspace) -> None:
    template = task_template(InstanceSpec(CONFIG, cpu_limit=1.5), PLAN)
    spec = {
        "Name": service_name(workspace),
        "Labels": service_labels(workspace, "abc"),
        "TaskTemplate": template,
        "Mode": replicas(3),
        "UpdateConfig": update_config(3),
        "RollbackConfig": rollback_config(3),
        "EndpointSpec": endpoint_spec(),
    }
    words = shlex.split(create_command(spec, "ssh://there").replace("\\\n", " "))
    assert words[:5] == ["docker", "--host", "ssh://there", "service", "create"]
    options = dict(itertools.pairwise(words))
    assert options["--replicas"] == "3"
    assert options["--endpoint-mode"] == "dnsrr"
    assert options["--limit-cpu"] == "1.5"
    assert options["--update-failure-action"] == "rollback"
    assert options["--health-start-period"] == "300s"
    assert "target=8500,mode=host" in words
    assert f'type=bind,"source={CONFIG.parent}","target={CONFIG.parent}",ro' in words
    assert words[words.index("waste:3") + 1 :] == container(template)["Args"]
