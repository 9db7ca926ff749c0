"""What is said about a fleet and its instances, in words."""

from __future__ import annotations

import time

from desktop.fleet.metric_history import UNKNOWN, milliseconds
from desktop.formats import count, plural, rate
from serving.engines.protocol import InstanceState
from serving.fleet.view import FleetView, InstanceView
from serving.units import format_bytes, format_duration


def engine_sentence(view: FleetView) -> str:
    """Say what the instances run on, and why."""
    return view.engine_reason or f"Instances run on the engine called {view.engine}."


def state_counts(view: FleetView) -> dict[InstanceState, str]:
    """Return what to say of each state but ready that some instance is in."""
    told = (InstanceState.STARTING, InstanceState.DRAINING, InstanceState.FAILED)
    numbers = {state: sum(each.state is state for each in view.instances) for state in told}
    return {state: f"{count(number)} {state}" for state, number in numbers.items() if number}


def state_sentence(view: FleetView) -> str:
    """Say how far the fleet is from what is wanted."""
    if not view.desired_count and not view.instances:
        return "Nothing is running."
    if view.ready < view.desired_count:
        missing = plural(view.desired_count - view.ready, "instance")
        return f"{missing} not ready yet." if view.ready else "Photos wait until one is ready."
    if len(view.instances) > view.desired_count:
        if any(each.state is InstanceState.STARTING for each in view.instances):
            return "A new one starts before an old one stops."
        return "Those that stop finish what they accepted."
    serving = f", serving v{view.live_version}" if view.live_version is not None else ""
    return f"{'The only one is' if view.ready == 1 else 'All are'} ready{serving}."


def port(address: str | None) -> str:
    """Return the port of `host:port`."""
    return address.rsplit(":", 1)[-1] if address else UNKNOWN


def version(each: InstanceView) -> str:
    return UNKNOWN if each.version is None else f"v{each.version}"


def uptime(each: InstanceView, now: float | None = None) -> str:
    """Return how long it has been running; `now` is in seconds since the epoch."""
    alive = each.state not in (InstanceState.FAILED, InstanceState.STOPPED)
    if not each.instance.started or not alive:
        return UNKNOWN
    return format_duration(max(1.0, (time.time() if now is None else now) - each.instance.started))


def cpu(each: InstanceView) -> str:
    return UNKNOWN if each.stats is None else f"{each.stats.cpu_percent:.0f}%"


def memory(each: InstanceView) -> str:
    return UNKNOWN if each.stats is None else format_bytes(each.stats.memory_bytes)


def requests(each: InstanceView) -> str:
    return count(each.requests)


def requests_rate(each: InstanceView) -> str:
    answering = each.state in (InstanceState.READY, InstanceState.DRAINING)
    return rate(each.requests_per_second) if answering else UNKNOWN


def p95(each: InstanceView) -> str:
    return UNKNOWN if each.p95_milliseconds is None else milliseconds(each.p95_milliseconds)


def problem_sentence(each: InstanceView) -> str:
    """Say why an instance failed, or what keeps it from being ready; empty where nothing does."""
    if each.state is InstanceState.FAILED:
        return each.instance.failure or "The instance ended without saying why."
    return each.instance.failure
