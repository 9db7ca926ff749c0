"""The state of an instance, derived from the state of its container."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.engines.docker import names
from serving.engines.docker.usage import parse_timestamp
from serving.engines.names import DOCKER
from serving.engines.protocol import Instance, InstanceState
from serving.engines.server_flags import GRPC_PORT, REST_PORT
from serving.text.log_lines import last_line_sentence
from serving.units import format_bytes

_EXITED = ("exited", "dead")
_STOP_SIGNAL = str(int(signal.SIGTERM))

RESTART_GRACE_SECONDS = 3.0
"""A restart from outside is a stop and a start within this time."""


@dataclass(frozen=True)
class Inspection:
    """What a list of containers does not say: read from an inspection."""

    started: float = 0.0
    """Seconds since the epoch; 0 if it was never started."""
    exit_status: int = 0
    out_of_memory: bool = False
    memory_limit: int = 0
    error: str = ""
    """The engine's own message."""
    last_line: str = ""
    """Of the log, if the container has exited."""
    read_at: float = field(default=0.0, compare=False)
    """Monotonic, as this program measures it: the engine may be on another machine."""
    is_former: bool = False
    """Made by Servery 0.1, whose containers have no limits and take orders from any caller."""

    @classmethod
    def read(cls, inspected: Mapping[str, Any], last_line: str = "") -> Inspection:
        state = inspected.get("State") or {}
        labels = (inspected.get("Config") or {}).get("Labels")
        return cls(
            started=parse_timestamp(str(state.get("StartedAt") or "")),
            exit_status=int(state.get("ExitCode") or 0),
            out_of_memory=bool(state.get("OOMKilled")),
            memory_limit=int((inspected.get("HostConfig") or {}).get("Memory") or 0),
            is_former=labels is not None and names.GENERATION not in labels,
            error=str(state.get("Error") or ""),
            last_line=last_line.strip(),
            read_at=time.monotonic(),
        )


def has_exited(row: Mapping[str, Any]) -> bool:
    """Whether a listed container ran and does not any more."""
    return row.get("State") in _EXITED


def to_instance(
    row: Mapping[str, Any], inspection: Inspection, signals: Sequence[str] = ()
) -> Instance:
    """Return a listed container of this workspace as an instance.

    `signals` are the numbers of those that it got from anyone but Servery.
    """
    labels: Mapping[str, str] = row.get("Labels") or {}
    state, failure = _state(row, inspection, signals)
    # A stop from outside may be the first half of a restart.
    may_restart = has_exited(row) and _STOP_SIGNAL in signals
    ports = {
        int(port["PrivatePort"]): f"{_host(port)}:{port['PublicPort']}"
        for port in row.get("Ports") or ()
        if port.get("PublicPort")
    }
    return Instance(
        id=labels.get(names.INSTANCE, ""),
        engine=DOCKER,
        spec_hash="" if inspection.is_former else labels.get(names.SPEC, ""),
        state=state,
        grpc_address=ports.get(GRPC_PORT),
        rest_address=ports.get(REST_PORT),
        started=inspection.started or float(row.get("Created") or 0),
        failure=failure,
        may_restart_until=inspection.read_at + RESTART_GRACE_SECONDS if may_restart else 0.0,
    )


def _host(port: Mapping[str, Any]) -> str:
    ip = str(port.get("IP") or "127.0.0.1")
    return "127.0.0.1" if ip in ("0.0.0.0", "::", "") else ip


def _state(
    row: Mapping[str, Any], inspection: Inspection, signals: Sequence[str]
) -> tuple[InstanceState, str]:
    """Return the state, and the reason if it needs one."""
    state = str(row.get("State") or "")
    if state == "removing":
        return InstanceState.DRAINING, ""
    # Before all else: what happens to a container that Servery stops is not a failure.
    if names.is_stopping(list(row.get("Names") or ())):
        return (InstanceState.STOPPED if has_exited(row) else InstanceState.DRAINING), ""
    if state == "created":
        if inspection.error:
            return InstanceState.FAILED, exit_reason(inspection)
        if names.is_being_started(
            row.get("Labels") or {}, float(row.get("Created") or 0), str(row.get("Id"))
        ):
            return InstanceState.STARTING, ""
        return InstanceState.STOPPED, "Servery ended while it was starting this instance."
    if state == "paused":
        return InstanceState.FAILED, "Its container was paused from outside, so it cannot answer."
    if state == "restarting":
        return InstanceState.STARTING, "Its container keeps restarting."
    if has_exited(row):
        return InstanceState.FAILED, exit_reason(inspection, signals)
    return InstanceState.STARTING, ""


def exit_reason(inspection: Inspection, signals: Sequence[str] = ()) -> str:
    """Return why a container exited, with the last line of its log."""
    last = last_line_sentence(inspection.last_line)
    return f"{_exit_cause(inspection, signals)}{last}"


def _exit_cause(inspection: Inspection, signals: Sequence[str]) -> str:
    if inspection.out_of_memory:
        limit = f" of {format_bytes(inspection.memory_limit)}" if inspection.memory_limit else ""
        return f"It needed more memory than its limit{limit}, so the system killed it."
    if inspection.error:
        return f"Its container did not start: {inspection.error}"
    if signals:
        return f"Its container was stopped from outside with {_signal(signals[-1])}."
    status = inspection.exit_status
    # By convention a process that a signal ended has 128 and its number as the status.
    if status > 128 and (name := _signal(str(status - 128))).startswith("SIG"):
        return f"Its container was stopped by {name}, from outside or by the system."
    if status:
        return f"Its container ended with exit status {status}."
    return "Its container ended with exit status 0, by itself or from outside."


def _signal(number: str) -> str:
    try:
        return signal.Signals(int(number)).name
    except ValueError:
        return f"signal {number}"
