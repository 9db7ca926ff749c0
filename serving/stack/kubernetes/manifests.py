"""All files of the stack for Kubernetes."""

from __future__ import annotations

from typing import Any

from serving.stack.containers import SEED_SCRIPT, seed_script
from serving.stack.kubernetes import kserve
from serving.stack.kubernetes.network import ingress_manifests, network_manifests
from serving.stack.kubernetes.pods import SECRET_NAME, SEED_CONFIG, metadata
from serving.stack.kubernetes.workloads import (
    api_manifests,
    postgres_manifests,
    serving_manifests,
    storage_manifests,
    trainer_manifests,
)
from serving.stack.parts import secret_values
from serving.stack.plan import StackPlan
from serving.stack.yaml_text import yaml_text

KUSTOMIZATION = "kustomization.yaml"
BASE = kserve.BASE

_COMMENTS = {
    "namespace.yaml": ("Where all of it is. Pods that ask for more than they need are refused.",),
    "serving.yaml": (
        "The instances. The Service has no address of its own (clusterIP: None), so that its name",
        "resolves to each of them and the API spreads its requests over all.",
    ),
    "api.yaml": ("What answers over HTTP: photos, labels, everything that is read.",),
    "trainer.yaml": ("Learns from labels and promotes versions. There is one of it.",),
    "postgres.yaml": (
        "The store of labels. Where the cluster has a PostgreSQL, use that: remove this file, and",
        "change `database-url` in secret.yaml.",
    ),
    "storage.yaml": (
        "What outlives pods. `data` holds models and photos and is mounted by pods of several",
        "nodes, so its storage class must know ReadWriteMany (NFS, CephFS, EFS, Filestore).",
    ),
    "network-policy.yaml": ("Who may talk to whom. Whoever is not named may not.",),
    "ingress.yaml": (
        "The way in. Its certificate is the Secret servery-tls, which cert-manager makes or",
        "`kubectl create secret tls servery-tls --cert=FILE --key=FILE`.",
    ),
    "secret.yaml": (
        "Made for this export. `token` is what callers of the API show; keep this file out of",
        "version control, or replace it by what your secret store makes.",
    ),
    "seed.yaml": ("Puts the version that the image holds into the volume, the first time.",),
}


def kubernetes_files(plan: StackPlan) -> dict[str, str]:
    """Return the text of each file, by its path in the folder of the stack."""
    manifests = kubernetes_manifests(plan)
    found = {
        KUSTOMIZATION: yaml_text(
            _kustomization({"resources": [BASE]}),
            comment=("Apply: kubectl apply -k .       With KServe: kubectl apply -k kserve",),
        )
    }
    for name, documents in manifests.items():
        found[f"{BASE}/{name}"] = yaml_text(*documents, comment=_COMMENTS[name])
    found[f"{BASE}/{KUSTOMIZATION}"] = yaml_text(
        _kustomization({"namespace": plan.name, "resources": list(manifests)})
    )
    found[f"{kserve.FOLDER}/inference-service.yaml"] = yaml_text(kserve.inference_service(plan))
    found[f"{kserve.FOLDER}/{KUSTOMIZATION}"] = yaml_text(
        _kustomization(kserve.variant(plan.name)),
        comment=("The same stack with instances that KServe runs: kubectl apply -k .",),
    )
    return found


def kubernetes_manifests(plan: StackPlan) -> dict[str, list[dict[str, Any]]]:
    """Return the manifests of each file, in the order in which they are applied."""
    return {
        "namespace.yaml": [_namespace(plan)],
        "secret.yaml": [_secret(plan)],
        "seed.yaml": [_seed_config()],
        "storage.yaml": storage_manifests(plan),
        "postgres.yaml": postgres_manifests(plan),
        "serving.yaml": serving_manifests(plan),
        "trainer.yaml": trainer_manifests(plan),
        "api.yaml": api_manifests(plan),
        "network-policy.yaml": network_manifests(),
        "ingress.yaml": ingress_manifests(plan),
    }


def _kustomization(fields: dict[str, Any]) -> dict[str, Any]:
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return {**head, **fields}


def _namespace(plan: StackPlan) -> dict[str, Any]:
    found = metadata(plan.name, "stack")
    found["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": found}


def _secret(plan: StackPlan) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(SECRET_NAME, "stack"),
        "type": "Opaque",
        "stringData": secret_values(plan),
    }


def _seed_config() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(SEED_CONFIG, "stack"),
        "data": {SEED_SCRIPT: seed_script()},
    }
