from __future__ import annotations

import os
import socket
import time
from typing import Any

import psutil
import pytest

from serving.engines.docker import names
from serving.engines.docker.states import RESTART_GRACE_SECONDS, Inspection, to_instance
from serving.engines.docker.stop_signals import StopSignals
from serving.engines.protocol import InstanceState

DEAD_CREATOR = f"{socket.gethostname()} 999999999 1.00"


def row(state: str, name: str = "/servery-pets-1", **more: Any) -> dict[str, Any]:
    labels = {names.INSTANCE: "pets-1", names.SPEC: "abc"}
    labels[names.CREATOR] = DEAD_CREATOR
    made: dict[str, Any] = {"Id": "c1", "State": state, "Names": [name], "Labels": labels}
    return {**made, "Created": time.time(), **more}


@pytest.mark.parametrize(
    ("state", "name", "inspection", "signals", "expected", "words"),
    [
        ("running", "a", Inspection(), [], InstanceState.STARTING, ""),
        ("running", "a.stopping", Inspection(), [], InstanceState.DRAINING, ""),
        ("exited", "a.stopping", Inspection(exit_status=143), [], InstanceState.STOPPED, ""),
        ("removing", "a", Inspection(), [], InstanceState.DRAINING, ""),
        ("paused", "a", Inspection(), [], InstanceState.FAILED, "paused from outside"),
        ("restarting", "a", Inspection(), [], InstanceState.STARTING, "keeps restarting"),
        ("created", "a", Inspection(), [], InstanceState.STOPPED, "while it was starting"),
        (
            "created",
            "a",
            Inspection(error="no such file"),
            [],
            InstanceState.FAILED,
            "no such file",
        ),
        ("exited", "a", Inspection(), [], InstanceState.FAILED, "exit status 0"),
        ("exited", "a", Inspection(exit_status=3), [], InstanceState.FAILED, "exit status 3"),
        ("exited", "a", Inspection(exit_status=137), [], InstanceState.FAILED, "SIGKILL"),
        ("exited", "a", Inspection(exit_status=255), [], InstanceState.FAILED, "exit status 255"),
        ("exited", "a", Inspection(), ["15"], InstanceState.FAILED, "from outside with SIGTERM"),
        ("exited", "a", Inspection(), ["99"], InstanceState.FAILED, "signal 99"),
        (
            "exited",
            "a",
            Inspection(137, out_of_memory=True),
            ["9"],
            InstanceState.FAILED,
            "more memory",
        ),
        ("dead", "a", Inspection(exit_status=1), [], InstanceState.FAILED, "exit status 1"),
    ],
)
def test_each_state_of_a_container_has_a_state_and_reason(
    state: str,
    name: str,
    inspection: Inspection,
    signals: list[str],
    expected: InstanceState,
    words: str,
) -> None:
    found = to_instance(row(state, name), inspection, signals)
    assert found.state is expected
    assert words in found.failure
    assert bool(words) == bool(found.failure)


def test_a_container_that_others_stopped_may_be_restarting() -> None:
    inspection = Inspection(read_at=100.0)

    def may_restart_until(state: str, *signals: str) -> float:
        return to_instance(row(state), inspection, signals).may_restart_until

    assert may_restart_until("exited", "15", "9") == 100.0 + RESTART_GRACE_SECONDS
    assert may_restart_until("exited", "9") == 0
    assert may_restart_until("running", "15") == 0


def test_the_limit_and_the_last_line_are_reported() -> None:
    inspection = Inspection(
        137, out_of_memory=True, memory_limit=256 * 2**20, last_line="loading\n"
    )
    failure = to_instance(row("exited"), inspection).failure
    assert "its limit of 268 MB" in failure
    assert "The last line of its log: loading" in failure


def test_an_instance_is_reached_where_the_engine_published_it() -> None:
    ports = [
        {"IP": "127.0.0.1", "PrivatePort": 8500, "PublicPort": 32768, "Type": "tcp"},
        {"IP": "0.0.0.0", "PrivatePort": "8501", "PublicPort": "32769", "Type": "tcp"},
        {"PrivatePort": 9000, "Type": "tcp"},
    ]
    found = to_instance(row("running", Ports=ports), Inspection(started=12.5))
    assert (found.id, found.spec_hash, found.engine) == (
        "pets-1",
        "abc",
        "docker",
    )
    assert found.grpc_address == "127.0.0.1:32768"
    assert found.rest_address == "127.0.0.1:32769"
    assert found.started == 12.5
    assert to_instance(row("running"), Inspection()).grpc_address is None


def test_a_container_that_this_program_is_starting_is_starting() -> None:
    own = row("created")
    own["Labels"][names.CREATOR] = names.creator()
    assert to_instance(own, Inspection()).state is InstanceState.STOPPED
    with names.starting("pets-1"):
        assert to_instance(own, Inspection()).state is InstanceState.STARTING
    assert to_instance(own, Inspection()).state is InstanceState.STOPPED


def test_an_instance_is_starting_until_both_of_two_threads_are_done() -> None:
    own = row("created")
    own["Labels"][names.CREATOR] = names.creator()
    with names.starting("pets-1"):
        with names.starting("pets-1"):
            pass
        assert to_instance(own, Inspection()).state is InstanceState.STARTING
    assert to_instance(own, Inspection()).state is InstanceState.STOPPED


@pytest.mark.parametrize("label", [names.CREATOR, "io.servery.starter"])
def test_the_creator_is_read_from_the_new_and_the_old_label(label: str) -> None:
    theirs = row("created")
    parent = psutil.Process(os.getppid())
    theirs["Labels"].pop(names.CREATOR)
    theirs["Labels"][label] = f"{socket.gethostname()} {parent.pid} {parent.create_time():.2f}"
    assert to_instance(theirs, Inspection()).state is InstanceState.STARTING
    theirs["Labels"][label] = DEAD_CREATOR
    assert to_instance(theirs, Inspection()).state is InstanceState.STOPPED


def test_a_container_made_on_another_host_has_a_minute_to_start() -> None:
    theirs = row("created", Created=time.time() - 10)
    theirs["Labels"][names.CREATOR] = "elsewhere 17 1.00"
    assert to_instance(theirs, Inspection()).state is InstanceState.STARTING
    theirs["Created"] -= 100
    assert to_instance(theirs, Inspection()).state is InstanceState.STOPPED


def test_an_inspection_is_read() -> None:
    inspection = Inspection.read(
        {
            "State": {
                "StartedAt": "2026-11-23T01:35:30.006472123Z",
                "ExitCode": 137,
                "OOMKilled": True,
                "Error": "",
            },
            "HostConfig": {"Memory": 1024},
        },
        "last words \n",
    )
    assert inspection == Inspection(1795397730.006472, 137, True, 1024, "", "last words")
    assert Inspection.read({"State": {"StartedAt": "0001-01-01T00:00:00Z"}}).started == 0


def test_a_signal_from_outside_is_kept_until_the_next_start() -> None:
    stop_signals = StopSignals()

    def event(action: str, name: str = "servery-a", signal: str = "9") -> dict[str, Any]:
        attributes = {"name": name, "signal": signal}
        return {"Action": action, "Actor": {"ID": "c1", "Attributes": attributes}}

    stop_signals.record(event("kill", names.stopping_name("a")))
    stop_signals.record(event("kill", signal=""))
    assert list(stop_signals.of("c1")) == []
    stop_signals.record(event("kill"))
    stop_signals.record(event("kill", signal="15"))
    stop_signals.record(event("die"))
    assert stop_signals.of("c1") == ["9", "15"]
    stop_signals.record(event("start"))
    assert list(stop_signals.of("c1")) == []
    stop_signals.record(event("kill"))
    stop_signals.keep_only({"c2"})
    assert list(stop_signals.of("c1")) == []


def test_a_container_of_another_host_whose_clock_is_ahead_is_not_waited_for_until_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = row("created", Created=time.time() + 86_400, Id="ahead")
    theirs["Labels"][names.CREATOR] = "elsewhere 17 1.00"
    assert to_instance(theirs, Inspection()).state is InstanceState.STARTING
    later = time.monotonic() + names.ABANDONED_START_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert to_instance(theirs, Inspection()).state is InstanceState.STOPPED


def test_a_container_of_the_version_before_is_out_of_date() -> None:
    labels = {names.INSTANCE: "pets-1", names.SPEC: "abc"}

    def spec_hash(**more: str) -> str:
        inspected = {"State": {}, "Config": {"Labels": {**labels, **more}}}
        return to_instance(row("running"), Inspection.read(inspected)).spec_hash

    assert spec_hash() == ""
    assert spec_hash(**{names.GENERATION: "2"}) == "abc"
