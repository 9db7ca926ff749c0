from __future__ import annotations

import shlex
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from serving.engines.docker.container import (
    ContainerPlan,
    container_config,
    default_memory,
    default_pids,
    threads_per_instance,
)
from serving.engines.docker.discovery import EngineInfo
from serving.engines.docker.run_command import run_command
from serving.engines.protocol import InstanceSpec

SPEC = InstanceSpec(Path("/home/me/models/serving.config"))
PLAN = ContainerPlan(
    image="tensorflow/serving:2.19.1", labels={"io.servery.instance": "one"}, threads=2
)


def engine_info(**info: Any) -> EngineInfo:
    return EngineInfo.read({}, info, "1.41")


def host(config: dict[str, Any]) -> dict[str, Any]:
    return dict(config["HostConfig"])


def test_the_official_image_gets_the_models_by_its_own_flags() -> None:
    config = container_config(SPEC, PLAN)
    assert config["Image"] == "tensorflow/serving:2.19.1"
    assert config["Cmd"] == [
        "--model_config_file=/home/me/models/serving.config",
        "--model_config_file_poll_wait_seconds=1",
        "--file_system_poll_wait_seconds=1",
        "--allow_version_labels_for_unavailable_models=true",
        "--max_num_load_retries=1",
        "--load_retry_interval_micros=1000000",
        "--tensorflow_intra_op_parallelism=2",
        "--tensorflow_inter_op_parallelism=2",
    ]
    assert "Entrypoint" not in config
    assert "User" not in config


def test_the_folder_is_the_same_inside_and_cannot_be_written() -> None:
    (mount,) = host(container_config(SPEC, PLAN))["Mounts"]
    assert mount == {
        "Type": "bind",
        "Source": "/home/me/models",
        "Target": "/home/me/models",
        "ReadOnly": True,
    }


def test_ports_are_on_loopback_and_picked_by_the_engine() -> None:
    bindings = host(container_config(SPEC, PLAN))["PortBindings"]
    anywhere = [{"HostIp": "127.0.0.1", "HostPort": ""}]
    assert bindings == {"8500/tcp": anywhere, "8501/tcp": anywhere}


def test_a_container_can_do_no_more_than_it_must() -> None:
    said = host(container_config(SPEC, PLAN))
    assert said["CapDrop"] == ["ALL"]
    assert said["SecurityOpt"] == ["no-new-privileges"]
    assert said["ReadonlyRootfs"] is True
    assert set(said["Tmpfs"]) == {"/tmp"}
    assert said["RestartPolicy"] == {"Name": "no"}


def test_no_limits_are_set_by_default() -> None:
    without = host(container_config(SPEC, PLAN))
    assert {"Memory", "MemorySwap", "NanoCpus"}.isdisjoint(without)
    limited = InstanceSpec(SPEC.config_file, memory_limit=2**30, cpu_limit=1.5)
    said = host(container_config(limited, PLAN))
    assert (said["Memory"], said["MemorySwap"], said["NanoCpus"]) == (2**30, 2**30, 1_500_000_000)
    assert limited.hash != SPEC.hash


def test_what_a_person_does_not_limit_has_the_defaults_of_the_plan() -> None:
    plan = replace(PLAN, default_memory=3 * 2**30, default_pids=640)
    said = host(container_config(SPEC, plan))
    assert (said["Memory"], said["MemorySwap"], said["PidsLimit"]) == (3 * 2**30, 3 * 2**30, 640)
    limited = replace(SPEC, memory_limit=6 * 2**30, pids_limit=2000)
    said = host(container_config(limited, plan))
    assert (said["Memory"], said["MemorySwap"], said["PidsLimit"]) == (6 * 2**30, 6 * 2**30, 2000)
    assert limited.hash != replace(SPEC, memory_limit=6 * 2**30).hash


@pytest.mark.parametrize(
    ("memory", "expected"),
    [(1, 1), (3, 2), (4, 2), (8, 4), (64, 32)],
    ids=lambda size: f"{size}GiB",
)
def test_a_container_gets_half_of_the_memory_and_not_too_little(memory: int, expected: int) -> None:
    engine = engine_info(MemTotal=memory * 2**30, MemoryLimit=True, PidsLimit=True, NCPU=4)
    assert default_memory(engine) == expected * 2**30
    assert default_pids(engine) == 512 + 4 * 64


def test_an_engine_that_cannot_limit_is_not_asked_to() -> None:
    engine = engine_info(MemTotal=2**33, MemoryLimit=False, PidsLimit=False)
    assert (default_memory(engine), default_pids(engine)) == (0, 0)
    assert (default_memory(engine_info()), default_pids(engine_info())) == (0, 0)


def test_the_run_command_has_the_defaults_too() -> None:
    config = container_config(SPEC, replace(PLAN, default_memory=2**31, default_pids=640))
    words = shlex.split(run_command("x", config, config["HostConfig"]).replace("\\\n", " "))
    assert {("--memory", str(2**31)), ("--pids-limit", "640")} <= set(pairwise(words))


def test_the_hash_of_a_spec_is_the_same_in_every_release() -> None:
    limited = InstanceSpec(SPEC.config_file, memory_limit=2**30, cpu_limit=1.5, image="a:1")
    assert SPEC.hash == "d872c9c0f6d1", "an update would replace every running container"
    assert limited.hash == "effd8dd258eb"


@pytest.mark.parametrize(
    ("threads", "cpu_limit", "cores", "fleet_size", "expected"),
    [
        (0, 0.0, 8, 1, 8),
        (0, 0.0, 8, 3, 2),
        (0, 0.0, 2, 4, 1),
        (0, 0.0, 2, 0, 2),
        (3, 0.0, 2, 4, 3),
        (0, 2.0, 8, 1, 2),
        (0, 0.5, 8, 1, 1),
    ],
)
def test_instances_share_the_cores(
    threads: int, cpu_limit: float, cores: int, fleet_size: int, expected: int
) -> None:
    spec = InstanceSpec(SPEC.config_file, threads=threads, cpu_limit=cpu_limit)
    assert threads_per_instance(spec, cores, fleet_size) == expected


def test_the_run_command_has_every_option_of_the_container() -> None:
    spec = InstanceSpec(
        Path("/home/me/my models, old/serving.config"),
        memory_limit=2**30,
        cpu_limit=1.5,
    )
    plan = ContainerPlan("servery/model-server:1", {"io.servery.instance": "one"}, 1, "1000:1000")
    config = container_config(spec, plan)
    text = run_command("servery-pets-1", config, config["HostConfig"], "unix:///run/mine.sock")
    words = shlex.split(text.replace("\\\n", " "))
    assert words[:5] == ["docker", "--host", "unix:///run/mine.sock", "run", "--detach"]
    pairs = set(pairwise(words))
    assert {
        ("--name", "servery-pets-1"),
        ("--publish", "127.0.0.1::8500"),
        ("--publish", "127.0.0.1::8501"),
        ("--label", "io.servery.instance=one"),
        ("--cap-drop", "ALL"),
        ("--security-opt", "no-new-privileges"),
        ("--memory", str(2**30)),
        ("--memory-swap", str(2**30)),
        ("--cpus", "1.5"),
        ("--user", "1000:1000"),
        (
            "--mount",
            'type=bind,"source=/home/me/my models, old","target=/home/me/my models, old",ro',
        ),
    } <= pairs
    assert {"--read-only", "--init"} <= set(words)
    assert words[words.index("servery/model-server:1") + 1 :] == config["Cmd"]


def test_the_run_command_omits_what_the_image_sets() -> None:
    config = container_config(SPEC, PLAN)
    config["Env"] = ["PATH=/usr/bin"]
    config["Labels"]["maintainer"] = "somebody"
    text = run_command("x", config, config["HostConfig"])
    assert text.startswith("docker run --detach")
    assert "--env PATH=" not in text
    assert "maintainer" not in text


def test_our_own_image_starts_with_a_model_that_is_missing() -> None:
    assert "--start_with_missing_models=true" not in container_config(SPEC, PLAN)["Cmd"]
    own = container_config(SPEC, replace(PLAN, own=True))
    assert "--start_with_missing_models=true" in own["Cmd"]
