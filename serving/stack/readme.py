"""The README beside the files of a stack: what each is, and the commands that people need."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from serving.stack.plan import StackFormat, StackPlan

README = "README.md"
EXAMPLE_HOST = "servery.example.com"
"""Where people are to put their own name."""


def readme(plan: StackPlan) -> str:
    """Return the README of a stack."""
    values = {
        "name": plan.name,
        "image": plan.image,
        "api_image": plan.api_image,
        "trainer_image": plan.trainer_image,
        "instances": str(plan.instances),
        "port": str(plan.port),
        "ports": _ports(plan),
        "host": plan.host or EXAMPLE_HOST,
        "shared_folder": plan.shared_folder.rstrip("/"),
    }
    if plan.format is StackFormat.SWARM:
        values["storage"] = _filled(f"swarm_{plan.delivery}", values).rstrip("\n")
    return _filled(plan.format, values)


def _filled(name: str, values: dict[str, str]) -> str:
    text = (files("serving.stack") / "readmes" / f"{name}.md").read_text()
    # Commands have a $ of their own.
    return Template(text).safe_substitute(values)


def _ports(plan: StackPlan) -> str:
    if plan.api_replicas == 1:
        return f"port {plan.port}"
    return f"ports {plan.port} to {plan.port + plan.api_replicas - 1}, one for each replica,"
