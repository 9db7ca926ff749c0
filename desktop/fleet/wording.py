"""Sentences and numbers about a fleet and its instances."""

from __future__ import annotations

import time
from collections import Counter

from desktop.fleet.metric_history import UNKNOWN, Metric
from desktop.formats import count, plural, rate
from serving.engines.protocol import InstanceState
from serving.fleet.view import FleetView, InstanceView
from serving.socket_address import socket_path
from serving.units import format_duration

SOCKET = "socket"
"""In the place of a port, for an instance that has none."""
COUNTED_STATES = (InstanceState.STARTING, InstanceState.DRAINING, InstanceState.FAILED)
"""Those that are counted beside the ready ones."""


def engine_sentence(view: FleetView) -> str:
    """Say what the instances run on, and why."""
    return view.engine_reason or f"Instances run on the engine called {view.engine}."


def state_counts(view: FleetView) -> dict[InstanceState, str]:
    """Return `2 starting` for each of COUNTED_STATES that some instance is in."""
    states = Counter(each.state for each in view.instances)
    return {state: f"{count(states[state])} {state}" for state in COUNTED_STATES if states[state]}


def state_sentence(view: FleetView) -> str:
    """Say how far the fleet is from the desired number of instances."""
    if not view.desired_count and not view.instances:
        return "Nothing is running."
    if view.ready < view.desired_count:
        if not view.ready:
            return "Photos wait until an instance is ready."
        missing = view.desired_count - view.ready
        return f"{plural(missing, 'instance')} {'is' if missing == 1 else 'are'} not ready yet."
    if len(view.instances) > view.desired_count:
        if any(each.state is InstanceState.STARTING for each in view.instances):
            return "A new instance starts before an old one stops."
        return "Instances that stop finish their requests first."
    serving = ""
    if view.live_version is not None:
        others = len(view.served.names()) - 1
        beside = f" and {plural(others, 'other model')}" if others else ""
        serving = f", serving {view.model} v{view.live_version}{beside}"
    return f"{'The only instance is' if view.ready == 1 else 'All are'} ready{serving}."


def fault_sentences(view: FleetView) -> str:
    """Say which live versions cannot be served, why, and what can be done; empty for none."""
    return "\n".join(
        f"{view.fault_sentence(model)} {fault.advice}" for model, fault in view.faults.items()
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
    what = "port" if socket_path(address) is None else "address"
    return f"gRPC at {address}. Click to copy the {what}."


def version(each: InstanceView) -> str:
    return UNKNOWN if each.version is None else f"v{each.version}"


def versions_tip(each: InstanceView) -> str:
    """Return every model that it has loaded, with its version, and others beside that one."""
    lines = []
    for model, number in each.versions.items():
        beside = sorted(each.loaded.get(model, frozenset()) - {number})
        also = f" (loaded too: {', '.join(f'v{other}' for other in beside)})" if beside else ""
        lines.append(f"{model} v{number}{also}")
    return "\n".join(lines)


def uptime(each: InstanceView, now: float | None = None) -> str:
    """Return how long it has been running; `now` is in seconds since the epoch."""
    alive = each.state not in (InstanceState.FAILED, InstanceState.STOPPED)
    if not each.instance.started or not alive:
        return UNKNOWN
    return format_duration(max(1.0, (time.time() if now is None else now) - each.instance.started))


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
    unexplained = "The instance stopped without giving a reason." if failed else ""
    problem = each.instance.failure or unexplained
    return (
        f"{problem}\nIts log is kept in {each.instance.log}."
        if failed and each.instance.log
        else problem
    )
