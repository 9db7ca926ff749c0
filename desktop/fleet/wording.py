"""Sentences and numbers about a fleet and its instances."""

from __future__ import annotations

import time
from collections import Counter

from desktop.fleet.metric_history import UNKNOWN, Metric
from desktop.formats import count, duration, plural, rate, size
from desktop.service_sentences import translated
from desktop.translation import tr, tr_plural
from serving.engines import names
from serving.engines.protocol import InstanceState
from serving.engines.swarm.membership import (
    MANAGER_PORT,
    Membership,
    Node,
    NodeAvailability,
    SwarmState,
)
from serving.fleet.view import FleetView, InstanceView
from serving.socket_address import socket_path
from serving.stack.plan import StackFormat

SOCKET = tr("socket")
"""In the place of a port, for an instance that has none."""
_NO_BREAK_SPACE = "\u00a0"
COUNTED_STATES = (
    InstanceState.STARTING,
    InstanceState.ASLEEP,
    InstanceState.DRAINING,
    InstanceState.FAILED,
)
"""Those that are counted beside the ready ones."""
STATE_WORDS = {
    InstanceState.STARTING: tr("Starting"),
    InstanceState.READY: tr("Ready"),
    InstanceState.ASLEEP: tr("Asleep"),
    InstanceState.DRAINING: tr("Draining"),
    InstanceState.STOPPED: tr("Stopped"),
    InstanceState.FAILED: tr("Failed"),
}
"""What each state is called on screen."""
PORTS_SENTENCE = tr(
    "Nodes reach each other at TCP ports {manager_port} and 7946, and UDP ports 7946 and 4789:"
    " let no other machine reach these.",
    manager_port=MANAGER_PORT,
)
STACK_EXPLANATION = tr(
    "Writes the files by which an orchestrator runs instances of this model,"
    " the API in front of them, the trainer, and what keeps labels and"
    " models."
)
STACK_FORMATS = {
    StackFormat.COMPOSE: "Docker Compose",
    StackFormat.SWARM: "Docker Swarm",
    StackFormat.KUBERNETES: "Kubernetes",
}
STACK_EXPLANATIONS = {
    StackFormat.COMPOSE: tr("Everything on one container engine."),
    StackFormat.SWARM: tr(
        "On the nodes of a swarm, with rolling updates that go back by themselves."
    ),
    StackFormat.KUBERNETES: tr(
        "On a cluster, with autoscalers; for kubectl and"
        " kustomize, without Helm. A variant for KServe"
        " is among the files."
    ),
}


def engine_sentence(view: FleetView) -> str:
    """Say in short what the instances run on, and how an update of its own goes.

    `details` says the rest; it is needed where the engine is not usable.
    """
    if not view.engine_usable:
        return tr("Instances cannot be changed now.")
    return f"{_engine(view.engine)} {translated(view.update)}".strip()


def _engine(name: str) -> str:
    match name:
        case names.PROCESS:
            return tr("Instances run as processes.")
        case names.DOCKER:
            return tr("Instances run in containers.")
        case names.SWARM:
            return tr("Instances run on a swarm.")
        case _:
            return tr("Instances run on the engine called {engine}.", engine=name)


def details(view: FleetView) -> str:
    """Say in full what the instances run on and why, and what they serve."""
    served = [
        f"{name} v{version}"
        for name in view.served.names()
        if (version := view.version_of(name)) is not None
    ]
    serving = tr("Served models: {models}.", models=", ".join(served)) if served else ""
    reason = translated(view.engine_reason) or _engine(view.engine)
    return "\n".join(filter(None, (reason, translated(view.update), serving)))


def state_counts(view: FleetView) -> dict[InstanceState, str]:
    """Return `2 starting` for each of COUNTED_STATES that some own instance is in."""
    states = Counter(each.state for each in view.instances)
    return {state: _state_count(state, states[state]) for state in COUNTED_STATES if states[state]}


def _state_count(state: InstanceState, number: int) -> str:
    match state:
        case InstanceState.STARTING:
            return plural(number, "starting", "starting")
        case InstanceState.ASLEEP:
            return plural(number, "asleep", "asleep")
        case InstanceState.DRAINING:
            return plural(number, "draining", "draining")
        case _:
            return plural(number, "failed", "failed")


def state_sentence(view: FleetView) -> str:
    """Say how far the fleet is from the desired number of instances."""
    if not view.desired_count and not view.instances:
        if view.attached_ready:
            return tr("Attached servers answer; none of your own is running.")
        return tr("Nothing is running.")
    if view.ready < view.desired_count:
        if not view.can_answer:
            return tr("Photos wait until an instance is ready.")
        missing = view.desired_count - view.ready
        return plural(missing, "instance is not ready yet.", "instances are not ready yet.")
    if len(view.instances) > view.desired_count:
        if any(each.state is InstanceState.STARTING for each in view.instances):
            return tr("A new instance starts before an old one stops.")
        return tr("Instances that stop finish their requests first.")
    if view.instances and all(each.state is InstanceState.ASLEEP for each in view.instances):
        return tr_plural(
            "Its memory is free for other programs until the next photo comes.",
            "Their memory is free for other programs until the next photo comes.",
            view.ready,
        )
    return tr_plural("The only instance is ready.", "All are ready.", view.ready)


def attached_count_sentence(view: FleetView) -> str:
    """Say how many attached servers answer beside own instances; empty if none does."""
    number = len(view.attached_ready)
    if not number or not view.instances:
        return ""
    return plural(number, "attached server answers as well.", "attached servers answer as well.")


def serving_sentence(view: FleetView) -> str:
    """Say which model and version answer, in short; empty if none does."""
    if view.live_version is None:
        return ""
    served = f"{view.model} v{view.live_version}"
    others = len(view.served.names()) - 1
    if not others:
        return tr("Serving {model}.", model=served)
    return tr_plural(
        "Serving {model} and {count} other.", "Serving {model} and {count} others.", others
    ).format(model=served, count=count(others))


def is_attached(each: InstanceView) -> bool:
    """Whether somebody else runs it, so that it can only be asked."""
    return each.instance.engine == names.EXTERNAL


def attached_sentence(each: InstanceView) -> str:
    """Say whether an attached server gets photos, and if not, why."""
    if each.state is InstanceState.FAILED:
        return tr("It gets no photos: {failure}", failure=translated(each.instance.failure))
    if each.state is InstanceState.STARTING:
        return tr("It has not answered yet, and gets photos once it does.")
    return tr(
        "It gets photos, like {model} v{version} of this fleet.",
        model=each.model,
        version=each.version,
    )


def fault_sentences(view: FleetView) -> str:
    """Say which live versions cannot be served, why, and what can be done; empty for none."""
    return "\n".join(
        translated(f"{view.fault_sentence(model)} {fault.advice}")
        for model, fault in view.faults.items()
    )


def port(each: InstanceView) -> str:
    address = each.instance.shown_grpc_address
    if not address:
        return UNKNOWN
    return address.rsplit(":", 1)[-1] if socket_path(address) is None else SOCKET


def port_to_copy(each: InstanceView) -> str:
    """Return what a click on the port puts on the clipboard: the whole address of a socket."""
    shown = port(each)
    return (each.instance.shown_grpc_address or "") if shown == SOCKET else shown


def port_tip(each: InstanceView) -> str:
    address = each.instance.shown_grpc_address
    if not address:
        return ""
    if socket_path(address) is None:
        return tr("gRPC at {address}. Click to copy the port.", address=address)
    return tr("gRPC at {address}. Click to copy the address.", address=address)


def node(each: InstanceView) -> str:
    """Return the machine that it runs on; UNKNOWN if its engine has not said."""
    return each.instance.node or UNKNOWN


def version(each: InstanceView) -> str:
    return UNKNOWN if each.version is None else f"v{each.version}"


def versions_tip(each: InstanceView) -> str:
    """Return every model that it has loaded, with its version, and others beside that one."""
    lines = []
    for model, number in each.versions.items():
        beside = sorted(each.loaded.get(model, frozenset()) - {number})
        lines.append(
            tr(
                "{model} v{version} (loaded too: {others})",
                model=model,
                version=number,
                others=", ".join(f"v{other}" for other in beside),
            )
            if beside
            else f"{model} v{number}"
        )
    return "\n".join(lines)


def uptime(each: InstanceView, now: float | None = None) -> str:
    """Return how long it has been running; `now` is in seconds since the epoch."""
    alive = each.state not in (InstanceState.FAILED, InstanceState.STOPPED)
    if not each.instance.started or not alive:
        return UNKNOWN
    return duration(max(1.0, (time.time() if now is None else now) - each.instance.started))


def cpu(each: InstanceView) -> str:
    return UNKNOWN if each.stats is None else Metric.CPU.text(each.stats.cpu_percent)


def memory(each: InstanceView) -> str:
    return UNKNOWN if each.stats is None else Metric.MEMORY.text(each.stats.memory_bytes)


def requests(each: InstanceView) -> str:
    return count(each.requests)


def requests_rate(each: InstanceView) -> str:
    answering = each.state in (InstanceState.READY, InstanceState.DRAINING)
    return rate(each.requests_per_second) if answering else UNKNOWN


def p95(each: InstanceView) -> str:
    return UNKNOWN if each.p95_milliseconds is None else Metric.P95.text(each.p95_milliseconds)


def problem_sentence(each: InstanceView) -> str:
    """Say why an instance failed, or what keeps it from being ready; empty if nothing does."""
    failed = each.state is InstanceState.FAILED
    if failed and is_attached(each):
        return attached_sentence(each)
    unexplained = tr("The instance stopped without giving a reason.") if failed else ""
    problem = translated(each.instance.failure) or unexplained
    return (
        tr("{problem}\nIts log is kept in {log}.", problem=problem, log=each.instance.log)
        if failed and each.instance.log
        else problem
    )


_NODE_STATES = {
    "down": tr("Down"),
    "disconnected": tr("Disconnected"),
    "unknown": tr("Unknown"),
}
"""Those of a node that is not ready, as the swarm names them."""
_NODE_ROLES = {"leader": tr("Leader"), "manager": tr("Manager"), "worker": tr("Worker")}


def membership_sentence(membership: Membership) -> str:
    """Say what the engine is to a swarm, in the language of the window."""
    match membership.state:
        case SwarmState.MANAGER:
            return tr_plural(
                "The engine manages a swarm of {count} node.",
                "The engine manages a swarm of {count} nodes.",
                membership.nodes,
            ).format(count=count(membership.nodes))
        case SwarmState.NONE:
            return tr("The engine runs on its own: it belongs to no swarm.")
        case SwarmState.UNSUPPORTED:
            return tr("This engine knows no swarms.")
        case SwarmState.WORKER:
            return tr("The engine is a worker in a swarm that another node manages.")
        case SwarmState.LOCKED:
            return tr("The engine belongs to a swarm whose keys are locked.")
        case SwarmState.BROKEN:
            return (
                tr(
                    "The engine belongs to a swarm, but does not take part in it: {reason}.",
                    reason=membership.error,
                )
                if membership.error
                else tr(
                    "The engine belongs to a swarm, but does not take part in it:"
                    " it does not say why."
                )
            )


def membership_advice(membership: Membership) -> str:
    """Say what can be done to manage the swarm from here; empty if it can be managed."""
    match membership.state:
        case SwarmState.MANAGER:
            return ""
        case SwarmState.NONE:
            return tr("Start a swarm, or join one.")
        case SwarmState.UNSUPPORTED:
            return tr("Use a Docker Engine.")
        case SwarmState.WORKER:
            return tr(
                "Manage it there, or make this machine a manager with {command} on a manager.",
                command=f"`docker node promote {membership.node_id}`",
            )
        case SwarmState.LOCKED:
            return tr("Run `docker swarm unlock` on its machine.")
        case SwarmState.BROKEN:
            return tr("Check the network between the nodes, and the engine's own log.")


def node_state(node: Node) -> tuple[str, str]:
    """Return the state whose mark a node has, and the word for it."""
    if not node.ready:
        return "failed", _NODE_STATES.get(node.state, node.state.capitalize())
    return {
        NodeAvailability.ACTIVE: ("ready", tr("Ready")),
        NodeAvailability.PAUSE: ("stopped", tr("Paused")),
        NodeAvailability.DRAIN: ("draining" if node.tasks else "stopped", tr("Drained")),
    }[node.availability]


def node_name(node: Node) -> str:
    return tr("{name} (this engine)", name=node.name) if node.here else node.name


def node_facts(node: Node) -> str:
    """Say what a node is, has and runs."""
    facts = [
        _NODE_ROLES[node.role],
        plural(node.cores, "core"),
        size(node.memory),
    ]
    if node.engine_version:
        facts.append(f"Docker {node.engine_version}")
    facts.append(plural(node.tasks, "container"))
    # Only between facts is a line broken.
    return ", ".join(fact.replace(" ", _NO_BREAK_SPACE) for fact in facts)


def node_problem(node: Node) -> str:
    """Say what is wrong with a node; empty if nothing is known."""
    if not node.ready and node.message:
        return f"{node.message[:1].upper()}{node.message[1:].rstrip('.')}."
    if node.missing_images:
        return tr(
            "It does not have the image {images}.",
            images=", ".join(node.missing_images),
        )
    return ""
