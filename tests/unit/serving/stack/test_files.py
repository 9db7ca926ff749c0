"""Every file of a stack is what its own kind's schema takes, and runs nothing that it need not."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from serving.errors import ServeryError
from serving.export_folder import ExportRefused
from serving.stack.files import stack_files, write_stack
from serving.stack.parts import SECRETS, WORKSPACE
from serving.stack.plan import StackError, StackFormat, StackPlan

COMPOSE_SCHEMA = Path(__file__).with_name("compose_spec.json")
KUBERNETES_VERSIONS = ("1.30", "1.34")
COMPOSE = StackPlan(StackFormat.COMPOSE, "waste:3")
SWARM = StackPlan(StackFormat.SWARM, "registry.example.com/team/waste:3", instances=4)
SHARED = replace(SWARM, shared_folder="/mnt/servery")
KUBERNETES = StackPlan(
    StackFormat.KUBERNETES, "registry.example.com/waste:3", host="photos.example.com"
)
PLANS = {
    "compose": COMPOSE,
    "compose-many": replace(COMPOSE, instances=3, api_replicas=2, own_server=True),
    "swarm": SWARM,
    "swarm-shared": SHARED,
    "kubernetes": KUBERNETES,
    "kubernetes-class": replace(KUBERNETES, storage_class="nfs-client", api_replicas=3),
}


def documents(plan: StackPlan, name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(stack_files(plan)[name]))


def manifests(plan: StackPlan) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, text in stack_files(plan).items():
        if name.endswith(".yaml"):
            for document in yaml.safe_load_all(text):
                yield name, document


def of_kind(plan: StackPlan, kind: str) -> dict[str, dict[str, Any]]:
    found = [each for name, each in manifests(plan) if "base/" in name and each["kind"] == kind]
    return {each["metadata"]["name"]: each for each in found}


@pytest.mark.parametrize(
    ("plan", "name"),
    [
        (PLANS["compose"], "compose.yaml"),
        (PLANS["compose-many"], "compose.yaml"),
        (PLANS["swarm"], "stack.yaml"),
        (PLANS["swarm-shared"], "stack.yaml"),
    ],
)
def test_compose_files_follow_the_specification(plan: StackPlan, name: str) -> None:
    schema = jsonschema.Draft201909Validator(json.loads(COMPOSE_SCHEMA.read_text()))
    (found,) = documents(plan, name)
    schema.validate(found)
    found["services"]["api"]["helthcheck"] = {}
    with pytest.raises(jsonschema.ValidationError):
        schema.validate(found)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
@pytest.mark.parametrize("plan", [PLANS["kubernetes"], PLANS["kubernetes-class"]])
def test_manifests_follow_kubernetes_own_schemas(plan: StackPlan, version: str) -> None:
    kinds = []
    for _, manifest in manifests(plan):
        if manifest["kind"] not in ("Kustomization", "InferenceService"):
            kubernetes_validate.validate(manifest, version, strict=True)
            kinds.append(manifest["kind"])
    assert {
        *("Namespace", "Secret", "ConfigMap", "PersistentVolumeClaim", "Deployment", "Service"),
        *("HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "Ingress"),
    } == set(kinds)


def test_a_misspelled_manifest_is_noticed() -> None:
    manifest = of_kind(KUBERNETES, "Deployment")["serving"]
    manifest["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, KUBERNETES_VERSIONS[0], strict=True)


def test_kserves_predictor_is_a_pod() -> None:
    (service,) = documents(KUBERNETES, "kserve/inference-service.yaml")
    predictor = service["spec"]["predictor"]
    own = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "labels"}
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "predictor", "labels": predictor["labels"]},
        "spec": {key: value for key, value in predictor.items() if key not in own},
    }
    kubernetes_validate.validate(pod, KUBERNETES_VERSIONS[0], strict=True)
    assert own <= predictor.keys()
    assert [each["name"] for each in pod["spec"]["containers"]] == ["kserve-container"]
    headless = of_kind(KUBERNETES, "Service")["serving"]["spec"]
    assert headless["clusterIP"] == "None"
    assert headless["selector"].items() <= predictor["labels"].items()


def test_kustomizations_name_every_file() -> None:
    files = stack_files(KUBERNETES)
    (kustomization,) = documents(KUBERNETES, "base/kustomization.yaml")
    there = {name.removeprefix("base/") for name in files if name.startswith("base/")}
    assert set(kustomization["resources"]) == there - {"kustomization.yaml"}
    (whole,) = documents(KUBERNETES, "kustomization.yaml")
    assert whole["resources"] == ["base"]
    (variant,) = documents(KUBERNETES, "kserve/kustomization.yaml")
    assert variant["resources"] == ["../base", "inference-service.yaml"]


def test_kubectl_builds_both_variants(tmp_path: Path) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed, and Debian's is too old")
    folder = tmp_path / "stack"
    write_stack(KUBERNETES, folder)
    kinds = {}
    for variant in (".", "kserve"):
        built = subprocess.run(
            ["kubectl", "kustomize", str(folder / variant)],
            capture_output=True,
            text=True,
            check=True,
        )
        found = list(yaml.safe_load_all(built.stdout))
        assert {each["metadata"].get("namespace") for each in found} == {None, "servery"}
        kinds[variant] = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert ("Deployment", "serving") in kinds["."]
    assert ("Deployment", "serving") not in kinds["kserve"]
    assert ("HorizontalPodAutoscaler", "serving") not in kinds["kserve"]
    assert ("InferenceService", "classifier") in kinds["kserve"]
    assert ("Service", "serving") in kinds["kserve"]


@pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))
def test_no_container_may_more_than_it_needs(plan: StackPlan) -> None:
    if plan.format is StackFormat.KUBERNETES:
        for deployment in of_kind(plan, "Deployment").values():
            pod = deployment["spec"]["template"]["spec"]
            assert pod["securityContext"]["runAsNonRoot"]
            assert pod["automountServiceAccountToken"] is False
            for each in (*pod["containers"], *pod.get("initContainers", ())):
                assert each["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }
                assert each["resources"].keys() == {"requests", "limits"}
            assert all("livenessProbe" in each for each in pod["containers"])
        return
    name = "compose.yaml" if plan.format is StackFormat.COMPOSE else "stack.yaml"
    (found,) = documents(plan, name)
    for part, service in found["services"].items():
        assert service["read_only"], part
        assert service["cap_drop"] == ["ALL"], part
        assert part == "seed" or not service["user"].startswith("0:"), part
        assert (
            part == "seed"
            or "healthcheck" in service
            or service["image"]
            in (
                plan.api_image,
                plan.trainer_image,
            )
        )
        assert any(each["type"] == "tmpfs" for each in service["volumes"]), part
    assert found["networks"]["inner"]["internal"]


def test_mounts_of_all_models_are_read_only() -> None:
    (compose,) = documents(COMPOSE, "compose.yaml")
    mounts = [each for each in compose["services"]["serving"]["volumes"] if "source" in each]
    assert [(each["source"], each["read_only"]) for each in mounts] == [("models", True)]
    pod = of_kind(KUBERNETES, "Deployment")["serving"]["spec"]["template"]["spec"]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "data"]
    assert mount == {
        "name": "data",
        "mountPath": f"{WORKSPACE}/models",
        "subPath": "workspace/models",
        "readOnly": True,
    }


def test_secrets_are_in_files_and_nowhere_else() -> None:
    for plan in PLANS.values():
        files = stack_files(plan)
        for name, text in files.items():
            is_secret = name.startswith("secrets/") or name == "base/secret.yaml"
            assert is_secret or not {plan.token, plan.database_password} & set(text.split()), name
            assert is_secret or plan.token not in text
    (compose,) = documents(COMPOSE, "compose.yaml")
    environment = compose["services"]["api"]["environment"]
    assert environment["SERVERY_TOKEN_FILE"] == f"{SECRETS}/token"
    assert "SERVERY_DATABASE" not in environment


def test_every_export_has_its_own_secrets() -> None:
    other = StackPlan(StackFormat.COMPOSE, "waste:3")
    assert COMPOSE.token != other.token
    assert COMPOSE.database_password != other.database_password
    assert COMPOSE.token not in repr(COMPOSE)


def test_swarm_updates_start_first_and_roll_back() -> None:
    (stack,) = documents(SHARED, "stack.yaml")
    update = stack["services"]["serving"]["deploy"]["update_config"]
    assert (update["order"], update["failure_action"]) == ("start-first", "rollback")
    assert all(each["deploy"]["endpoint_mode"] == "dnsrr" for each in stack["services"].values())
    assert stack["services"]["api"]["ports"][0]["mode"] == "host"


def test_without_a_shared_folder_the_instances_mount_nothing() -> None:
    (alone,) = documents(SWARM, "stack.yaml")
    volumes = alone["services"]["serving"]["volumes"]
    assert {each["type"] for each in volumes} == {"tmpfs"}
    assert "constraints" not in alone["services"]["serving"]["deploy"]["placement"]
    assert alone["services"]["trainer"]["deploy"]["placement"]["constraints"]
    (shared,) = documents(SHARED, "stack.yaml")
    sources = [each.get("source") for each in shared["services"]["serving"]["volumes"]]
    assert "/mnt/servery/workspace/models" in sources
    assert "placement" not in shared["services"]["trainer"]["deploy"]


def test_only_our_own_server_gets_its_own_flags() -> None:
    (other,) = documents(COMPOSE, "compose.yaml")
    (own,) = documents(replace(COMPOSE, own_server=True), "compose.yaml")
    flags = set(own["services"]["serving"]["command"])
    assert flags > set(other["services"]["serving"]["command"])
    assert "--refuse_config_reload=true" in flags - set(other["services"]["serving"]["command"])


def test_several_replicas_of_the_api_get_a_port_each() -> None:
    (found,) = documents(replace(COMPOSE, api_replicas=3, port=9000), "compose.yaml")
    assert found["services"]["api"]["ports"] == ["127.0.0.1:9000-9002:8000"]


@pytest.mark.parametrize(
    "change",
    [
        {"image": ""},
        {"image": "waste 3"},
        {"image": "waste:3\nprivileged: true"},
        {"name": "My stack"},
        {"name": "-x"},
        {"instances": 0},
        {"api_replicas": 1001},
        {"port": 0},
        {"instance_memory": 1},
        {"instance_cpus": 0.0},
        {"host": "photos.example/path"},
        {"shared_folder": "/mnt/servery"},
        {"storage_class": "fast"},
        {"api_image": "$HOME"},
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ServeryError):
        stack_files(replace(COMPOSE, **change))


def test_a_shared_folder_has_a_whole_path() -> None:
    for path in ("mnt/servery", "/mnt/../etc", "/mnt:ro"):
        with pytest.raises(StackError):
            stack_files(replace(SWARM, shared_folder=path))


@pytest.mark.parametrize("plan", [COMPOSE, SWARM, KUBERNETES])
def test_nobody_else_reads_what_is_written(plan: StackPlan, tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    written = write_stack(plan, folder)
    assert all(path.is_file() for path in written)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == [folder]
    with pytest.raises(ExportRefused):
        write_stack(plan, folder)
    assert (folder / "README.md").read_text() == stack_files(plan)["README.md"]
