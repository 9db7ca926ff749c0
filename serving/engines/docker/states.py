"""What a container's state means for the instance in it."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serving.engines.docker import names
from serving.engines.docker.usage import parse_timestamp
from serving.engines.names import DOCKER
from serving.engines.protocol import Instance, InstanceState
from serving.engines.server_flags import GRPC_PORT, REST_PORT
from serving.units import format_bytes

_EXITED = ("exited", "dead")


RESTART_GRACE_SECONDS = 3.0
"""A container that somebody stopped and does not start within this is not being restarted."""


@dataclass(frozen=True)
class Inspection:
    """What only an inspection of the container tells."""

    started: float = 0.0
    """Seconds since the epoch; 0 where it never was."""
    exit_status: int = 0
    out_of_memory: bool = False
    memory_limit: int = 0
    error: str = ""
    """What the engine says went wrong."""
    last_line: str = ""
    """Of the log, where it ended."""
    read_at: float = field(default=0.0, compare=False)
    """When this was read, in seconds since the epoch by the clock of this machine."""

    @classmethod
    def read(cls, inspected: Mapping[str, Any], last_line: str = "") -> Inspection:
        state = inspected.get("State") or {}
        return cls(
            started=parse_timestamp(str(state.get("StartedAt") or "")),
            exit_status=int(state.get("ExitCode") or 0),
            out_of_memory=bool(state.get("OOMKilled")),
            memory_limit=int((inspected.get("HostConfig") or {}).get("Memory") or 0),
            error=str(state.get("Error") or ""),
            last_line=last_line.strip(),
            read_at=time.time(),
        )


def has_exited(row: Mapping[str, Any]) -> bool:
    """Whether a listed container ran and does no more."""
    return row.get("State") in _EXITED


def to_instance(
    row: Mapping[str, Any],
    inspection: Inspection,
    last_signal: str = "",
    *,
    stop_requested: bool = False,
) -> Instance:
    """Return a listed container of this workspace as an instance.

    `signalled` is the signal that somebody other than Servery sent it last,
    where that was seen. `asked_to_end` says whether one of them was that of a
    stop: it may be the first half of a restart.
    """
    labels: Mapping[str, str] = row.get("Labels") or {}
    state, failure = _state(row, inspection, last_signal)
    ports = {
        int(port["PrivatePort"]): f"{_host(port)}:{port['PublicPort']}"
        for port in row.get("Ports") or ()
        if port.get("PublicPort")
    }
    return Instance(
        id=labels.get(names.INSTANCE, ""),
        engine=DOCKER,
        model=labels.get(names.MODEL, ""),
        spec_hash=labels.get(names.SPEC, ""),
        state=state,
        grpc_address=ports.get(GRPC_PORT),
        rest_address=ports.get(REST_PORT),
        started=inspection.started or float(row.get("Created") or 0),
        failure=failure,
        may_restart_until=inspection.read_at + RESTART_GRACE_SECONDS
        if stop_requested and has_exited(row)
        else 0.0,
    )


def _host(port: Mapping[str, Any]) -> str:
    ip = str(port.get("IP") or "127.0.0.1")
    return "127.0.0.1" if ip in ("0.0.0.0", "::", "") else ip


def _state(
    row: Mapping[str, Any], inspection: Inspection, last_signal: str
) -> tuple[InstanceState, str]:
    """Return the state, and why where it is not an ordinary one."""
    state = str(row.get("State") or "")
    stopping = names.is_stopping(list(row.get("Names") or ()))
    if state == "removing":
        return InstanceState.DRAINING, ""
    if stopping:
        return (InstanceState.STOPPED if has_exited(row) else InstanceState.DRAINING), ""
    if state == "created":
        if inspection.error:
            return InstanceState.FAILED, f"Its container did not start: {inspection.error}"
        if names.is_being_started(row.get("Labels") or {}, float(row.get("Created") or 0)):
            return InstanceState.STARTING, ""
        return InstanceState.STOPPED, "Servery ended while it was starting this instance."
    if state == "paused":
        return (
            InstanceState.FAILED,
            "Its container was paused from outside, so it cannot answer.",
        )
    if state == "restarting":
        return InstanceState.STARTING, "Its container keeps ending and being started again."
    if has_exited(row):
        return InstanceState.FAILED, exit_reason(inspection, last_signal)
    return InstanceState.STARTING, ""


def exit_reason(inspection: Inspection, last_signal: str = "") -> str:
    """Say why a container ended, with the last line of its log."""
    last = f" The last line of its log: {inspection.last_line}" if inspection.last_line else ""
    return f"{_exit_cause(inspection, last_signal)}{last}"


def _exit_cause(inspection: Inspection, last_signal: str) -> str:
    if inspection.out_of_memory:
        limit = f" of {format_bytes(inspection.memory_limit)}" if inspection.memory_limit else ""
        return f"It needed more memory than its limit{limit}, so the system ended it."
    if inspection.error:
        return f"Its container did not start: {inspection.error}"
    if last_signal:
        return f"Its container was ended from outside with {_signal(last_signal)}."
    status = inspection.exit_status
    if status > 128 and (name := _signal(str(status - 128))).startswith("SIG"):
        return f"Its container was ended by {name}, from outside or by the system."
    if status:
        return f"Its container ended with exit status {status}."
    return "Its container ended, by itself or from outside, with exit status 0."


def _signal(number: str) -> str:
    try:
        return signal.Signals(int(number)).name
    except ValueError:
        return f"signal {number}"
