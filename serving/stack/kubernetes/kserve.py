"""The variant in which KServe runs the instances.

The headless Service of the stack finds them by their labels, so that the API need not know.
"""

from __future__ import annotations

from typing import Any

from serving.engines.server_flags import GRPC_PORT
from serving.stack.kubernetes.pods import labels, metadata, pod
from serving.stack.parts import seed, serving
from serving.stack.plan import StackPlan

Manifest = dict[str, Any]

BASE, FOLDER = "base", "kserve"
_NAME = "classifier"
_CONTAINER = "kserve-container"
"""The name by which KServe knows the container that serves."""


def inference_service(plan: StackPlan) -> Manifest:
    """Return KServe's resource: the same pods, started and scaled by it."""
    spec = pod(serving(plan), seed(plan))
    container = spec["containers"][0]
    container["name"] = _CONTAINER
    container["ports"] = [{"name": "h2c", "containerPort": GRPC_PORT, "protocol": "TCP"}]
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            **metadata(_NAME, "serving"),
            # Plain Deployments, which a headless Service can find. Without Knative, too.
            "annotations": {"serving.kserve.io/deploymentMode": "RawDeployment"},
        },
        "spec": {
            "predictor": {
                "minReplicas": plan.instances,
                "maxReplicas": 4 * plan.instances,
                "scaleMetric": "cpu",
                "scaleTarget": 70,
                "labels": labels("serving"),
                **spec,
            }
        },
    }


def variant(namespace: str) -> Manifest:
    """Return the fields of what takes the stack's own instances out, and puts KServe's in."""
    removed = (("apps/v1", "Deployment"), ("autoscaling/v2", "HorizontalPodAutoscaler"))
    return {
        "namespace": namespace,
        "resources": [f"../{BASE}", "inference-service.yaml"],
        "patches": [
            {
                "target": {"kind": kind, "name": "serving"},
                "patch": f"$patch: delete\napiVersion: {version}\nkind: {kind}\n"
                "metadata:\n  name: serving\n",
            }
            for version, kind in removed
        ],
    }
