"""Who may talk to whom, and the way in."""

from __future__ import annotations

from typing import Any

from serving.engines.server_flags import GRPC_PORT
from serving.stack.kubernetes.pods import labels, metadata
from serving.stack.parts import API_PORT, POSTGRES_PORT
from serving.stack.plan import StackPlan
from serving.stack.readme import EXAMPLE_HOST

Manifest = dict[str, Any]

_DNS = {
    "to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
}
_PORTS = {"serving": GRPC_PORT, "postgres": POSTGRES_PORT, "trainer": API_PORT, "api": API_PORT}
_CALLS = {"api": ("serving", "trainer", "postgres"), "trainer": ("serving", "api", "postgres")}
"""Which parts each part calls."""


def network_manifests() -> list[Manifest]:
    """Return the policies: whoever is not named may not, in either direction."""
    policies = [_policy("deny-all", {}, {"policyTypes": ["Ingress", "Egress"]})]
    for name, port in _PORTS.items():
        callers = [caller for caller, called in _CALLS.items() if name in called]
        rule: Manifest = {"ports": [{"protocol": "TCP", "port": port}]}
        if name != "api":  # whose callers come from outside, by way of the Ingress
            rule = {"from": [_pods(caller) for caller in callers], **rule}
        spec: Manifest = {"policyTypes": ["Ingress"], "ingress": [rule]}
        if name in _CALLS:
            spec = {
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [rule],
                "egress": [_DNS, *(_destination(called) for called in _CALLS[name])],
            }
        policies.append(_policy(name, {"matchLabels": labels(name)}, spec))
    return policies


def ingress_manifests(plan: StackPlan) -> list[Manifest]:
    """Return the way in, encrypted."""
    host = plan.host or EXAMPLE_HOST
    backend = {"service": {"name": "api", "port": {"name": "http"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                **metadata("api"),
                "annotations": {
                    # Photos and exports are large, and events stay open.
                    "nginx.ingress.kubernetes.io/proxy-body-size": "64m",
                    "nginx.ingress.kubernetes.io/proxy-read-timeout": "3600",
                    "nginx.ingress.kubernetes.io/proxy-buffering": "off",
                },
            },
            "spec": {
                "tls": [{"hosts": [host], "secretName": "servery-tls"}],
                "rules": [{"host": host, "http": {"paths": [path]}}],
            },
        }
    ]


def _policy(name: str, selector: Manifest, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(name, name if name in _PORTS else "stack"),
        "spec": {"podSelector": selector, **spec},
    }


def _pods(name: str) -> Manifest:
    return {"podSelector": {"matchLabels": labels(name)}}


def _destination(name: str) -> Manifest:
    return {"to": [_pods(name)], "ports": [{"protocol": "TCP", "port": _PORTS[name]}]}
