"""Deployments and their Services, and what scales and protects them."""

from __future__ import annotations

from typing import Any

from serving.engines.server_flags import GRPC_PORT, REST_PORT
from serving.stack.kubernetes.pods import DATA_CLAIM, DATABASE_CLAIM, labels, metadata, pod
from serving.stack.parts import (
    API_PORT,
    POSTGRES_PORT,
    StackPart,
    api,
    postgres,
    seed,
    serving,
    trainer,
)
from serving.stack.plan import StackPlan

CPU_TARGET_PERCENT = 70
"""Of what an instance requests; the autoscaler adds instances beyond it."""

Manifest = dict[str, Any]

_ROLLING: Manifest = {
    "type": "RollingUpdate",
    "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
}
"""A new pod is ready before an old one goes."""


def serving_manifests(plan: StackPlan) -> list[Manifest]:
    """Return the instances: one address each, so that the client spreads requests itself."""
    part = serving(plan)
    return [
        _deployment(part, pod(part, seed(plan)), _ROLLING),
        service("serving", {"grpc": GRPC_PORT, "rest": REST_PORT}, headless=True),
        _autoscaler("serving", plan.instances, 4 * plan.instances),
        _disruption_budget("serving"),
    ]


def api_manifests(plan: StackPlan) -> list[Manifest]:
    """Return what answers over HTTP."""
    part = api(plan)
    return [
        _deployment(part, pod(part, seed(plan)), _ROLLING),
        service("api", {"http": API_PORT}),
        _autoscaler("api", plan.api_replicas, 4 * plan.api_replicas),
        _disruption_budget("api"),
    ]


def trainer_manifests(plan: StackPlan) -> list[Manifest]:
    """Return what learns; two of it would learn from the same labels."""
    part = trainer(plan)
    return [
        _deployment(part, pod(part, seed(plan)), {"type": "Recreate"}),
        service("trainer", {"http": API_PORT}),
    ]


def postgres_manifests(plan: StackPlan) -> list[Manifest]:
    """Return the store of labels."""
    part = postgres(plan)
    return [
        _deployment(part, pod(part), {"type": "Recreate"}),
        service("postgres", {"postgres": POSTGRES_PORT}),
    ]


def storage_manifests(plan: StackPlan) -> list[Manifest]:
    """Return the claims: of what all pods mount, and of the database's disk."""
    data: Manifest = {"accessModes": ["ReadWriteMany"]}
    if plan.storage_class:
        data["storageClassName"] = plan.storage_class
    return [
        _claim(DATA_CLAIM, data, "20Gi"),
        _claim(DATABASE_CLAIM, {"accessModes": ["ReadWriteOnce"]}, "10Gi"),
    ]


def service(name: str, ports: dict[str, int], *, headless: bool = False) -> Manifest:
    """Return the name by which others in the cluster find the pods of a part."""
    spec: Manifest = {"clusterIP": "None"} if headless else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name),
        "spec": {
            **spec,
            "selector": labels(name),
            "ports": [
                {"name": port_name, "port": number, "targetPort": number}
                for port_name, number in ports.items()
            ],
        },
    }


def _deployment(part: StackPart, spec: Manifest, strategy: Manifest) -> Manifest:
    # Where an autoscaler decides, a number here would be set again by each `kubectl apply`.
    replicas: Manifest = {} if part.name in ("serving", "api") else {"replicas": part.replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(part.name),
        "spec": {
            **replicas,
            "revisionHistoryLimit": 5,
            # `kubectl rollout status` fails after this, and `kubectl rollout undo` goes back.
            "progressDeadlineSeconds": max(600, 2 * part.start_seconds),
            "strategy": strategy,
            "selector": {"matchLabels": labels(part.name)},
            "template": {"metadata": {"labels": labels(part.name)}, "spec": spec},
        },
    }


def _autoscaler(name: str, min_replicas: int, max_replicas: int) -> Manifest:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": min_replicas,
            "maxReplicas": max_replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {
                            "type": "Utilization",
                            "averageUtilization": CPU_TARGET_PERCENT,
                        },
                    },
                }
            ],
            # A new instance has to load its model: fewer of them only after a quiet while.
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
        },
    }


def _disruption_budget(name: str) -> Manifest:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(name),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels(name)}},
    }


def _claim(name: str, spec: Manifest, size: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(name),
        "spec": {**spec, "resources": {"requests": {"storage": size}}},
    }
