import asyncio
import errno
import json
import os
import subprocess
import sys
import threading
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from serving.background import cancel_and_wait
from serving.engines.instance_records import InstanceRecord
from serving.engines.process import ProcessEngine
from serving.engines.protocol import InstanceSpec, InstanceState
from serving.engines.session_priority import has_full_share
from serving.errors import EngineError
from serving.programs import module_command
from serving.workspace import Workspace
from tests.integration.engines.process_env import (
    SPEC,
    configure,
    draining,
    failed,
    files_left,
    listens,
    wait_for_instance,
)
from tests.support.fleet_env import PRETENDING, CountingEngine
from tests.support.small_disk import small_disk
from tests.support.waiting import wait_until


# A short name, since a socket's path in the folder of the test may have 107 bytes.
async def test_start_and_stop(engine: ProcessEngine, workspace: Workspace) -> None:
    started = await engine.start(SPEC)
    assert (started.state, started.spec_hash) == (InstanceState.STARTING, SPEC.hash)
    listening = await wait_for_instance(engine, started.id, listens)
    sockets = workspace.root / "run" / "sockets"
    assert listening.grpc_address == f"unix:{sockets}/{started.id}.grpc"
    assert listening.rest_address == f"unix:{sockets}/{started.id}.rest"
    assert (listening.grpc_tcp_address, listening.rest_tcp_address) == (None, None)
    assert listening.process is not None
    assert os.getsid(listening.process) == listening.process != os.getsid(0)
    await engine.stop(started.id)
    assert await engine.instances() == []
    assert not psutil.pid_exists(listening.process)
    assert files_left(workspace) == []


@pytest.mark.skipif(
    not Path("/proc/self/autogroup").exists(), reason="sessions have no priority on this system"
)
async def test_one_that_starts_beside_another_gets_less_of_the_processor_until_that_is_granted(
    engine: ProcessEngine,
) -> None:
    first = await engine.start(SPEC)
    first = await wait_for_instance(engine, first.id, listens)
    second = await engine.start(SPEC)
    assert first.process is not None
    assert second.process is not None
    assert has_full_share(first.process)
    assert not has_full_share(second.process)
    await wait_for_instance(engine, second.id, listens)
    await asyncio.gather(*(engine.grant_full_cpu(each.id) for each in (first, second)))
    assert has_full_share(first.process)
    assert has_full_share(second.process)


async def test_tcp_is_served_as_well_if_requested(engine: ProcessEngine) -> None:
    started = await engine.start(InstanceSpec(SPEC.config_file, tcp=True))
    listening = await wait_for_instance(engine, started.id, listens)
    assert (listening.grpc_tcp_address, listening.rest_tcp_address) == (
        "127.0.0.1:40001",
        "127.0.0.1:40002",
    )
    assert listening.grpc_address is not None
    assert listening.grpc_address.startswith("unix:")
    assert listening.shown_grpc_address == "127.0.0.1:40001"


async def test_the_flags_are_those_of_the_model_server(engine: ProcessEngine) -> None:
    instance = await engine.start(InstanceSpec(SPEC.config_file, threads=3))
    await wait_for_instance(engine, instance.id, listens)
    flags = json.loads((await engine.logs(instance.id)).removeprefix("serving "))
    assert flags.pop("--ports_file").endswith(f"{instance.id}.ports")
    assert flags.pop("--grpc_socket_path").endswith(f"{instance.id}.grpc")
    assert flags.pop("--rest_api_socket_path").endswith(f"{instance.id}.rest")
    assert flags.pop("--grpc") == "no"
    assert flags == {
        "--port": "0",
        "--rest_api_port": "0",
        "--enable_tcp": "false",
        "--model_config_file": "/models/serving.config",
        "--model_config_file_poll_wait_seconds": "1",
        "--file_system_poll_wait_seconds": "1",
        "--allow_version_labels_for_unavailable_models": "true",
        "--max_num_load_retries": "1",
        "--load_retry_interval_micros": "1000000",
        "--start_with_missing_models": "true",
        "--refuse_config_reload": "true",
        "--model_root": "/models",
        "--refuse_unsafe_models": "true",
        "--trusted_models_file": "/models/trusted.json",
        "--sleep_after_seconds": "600",
        "--tensorflow_intra_op_parallelism": "3",
        "--tensorflow_inter_op_parallelism": "3",
    }


async def test_the_command_that_is_shown_starts_the_same_server(
    engine: ProcessEngine, workspace: Workspace
) -> None:
    configure(workspace, exit=3)
    instance = await engine.start(SPEC, fleet_size=2)
    await wait_for_instance(engine, instance.id, failed)
    printed, _ = (await engine.logs(instance.id)).splitlines()
    flags = json.loads(printed.removeprefix("serving "))
    command = await engine.run_command(instance.id)
    assert "ports_file" not in command
    assert "socket" not in command
    again = await asyncio.create_subprocess_shell(
        command, stdout=subprocess.PIPE, cwd=workspace.root
    )
    output, _ = await again.communicate()
    assert again.returncode == 3
    shown = json.loads(output.decode().splitlines()[0].removeprefix("serving "))
    of_one = ("--ports_file", "--grpc_socket_path", "--rest_api_socket_path", "--enable_tcp")
    for flag in (*of_one, "--sleep_after_seconds"):
        assert flags.pop(flag)
    assert shown == {**flags, "--port": "8500", "--rest_api_port": "8501"}


async def test_our_own_server_is_shown_as_a_command_that_runs_anywhere(
    workspace: Workspace, tmp_path: Path
) -> None:
    words = (*module_command("serving.model_server"), "--model_config_file=/none", "--port=0")
    record = InstanceRecord("pets-1", {}, "", 0.0, "x.log", command=words)
    record.write(workspace.instances)
    command = await ProcessEngine(workspace).run_command("pets-1")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    shown = await asyncio.create_subprocess_shell(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE
    )
    _, output = await shown.communicate()
    assert shown.returncode == 1
    assert "/none" in output.decode()
    assert "Traceback" not in output.decode()


@pytest.mark.parametrize(("cores", "fleet_size", "threads"), [(8, 2, 4), (8, 3, 2), (2, 5, 1)])
async def test_instances_share_the_cores(
    engine: ProcessEngine,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    fleet_size: int,
    threads: int,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)))
    instance = await engine.start(SPEC, fleet_size=fleet_size)
    await wait_for_instance(engine, instance.id, listens)
    assert f'parallelism": "{threads}"' in await engine.logs(instance.id)


async def test_the_oldest_are_listed_first(engine: ProcessEngine) -> None:
    ids = [(await engine.start(SPEC)).id for _ in range(3)]
    assert [instance.id for instance in await engine.instances()] == ids


async def test_one_that_ignores_the_request_is_killed_after_its_grace(
    engine: ProcessEngine, workspace: Workspace
) -> None:
    configure(workspace, ignore_sigterm=1)
    instance = await wait_for_instance(engine, (await engine.start(SPEC)).id, listens)
    await engine.stop(instance.id, grace=0.1)
    assert instance.process is not None
    assert not psutil.pid_exists(instance.process)


async def test_a_stop_that_was_broken_off_can_be_finished_by_anyone(
    engine: ProcessEngine, workspace: Workspace
) -> None:
    configure(workspace, ignore_sigterm=1)
    instance = await wait_for_instance(engine, (await engine.start(SPEC)).id, listens)
    stopping = asyncio.ensure_future(engine.stop(instance.id, grace=60))
    other = ProcessEngine(workspace, program=PRETENDING)
    await wait_for_instance(engine, instance.id, draining)
    await wait_for_instance(other, instance.id, draining)
    await cancel_and_wait(stopping)
    await wait_for_instance(other, instance.id, draining)
    await other.stop(instance.id, grace=0.1)
    assert await engine.instances() == []


async def test_a_child_that_another_program_stops_leaves_no_zombie(
    engine: ProcessEngine, workspace: Workspace
) -> None:
    instance = await wait_for_instance(engine, (await engine.start(SPEC)).id, listens)
    script = (
        "import asyncio, sys\n"
        "from serving.engines.process import ProcessEngine\n"
        "from serving.workspace import Workspace\n"
        "asyncio.run(ProcessEngine(Workspace.default()).stop(sys.argv[1]))\n"
    )
    stopper = await asyncio.create_subprocess_exec(sys.executable, "-c", script, instance.id)
    assert await stopper.wait() == 0
    assert await engine.instances() == []
    assert instance.process is not None
    assert not psutil.pid_exists(instance.process)


async def test_stopping_a_removed_instance_does_nothing(engine: ProcessEngine) -> None:
    await engine.stop("pets-000000")
    with pytest.raises(EngineError, match="no instance pets-000000"):
        await engine.logs("pets-000000")


async def test_it_is_adopted_by_another_program_and_its_death_is_seen_there(
    engine: ProcessEngine, workspace: Workspace
) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from serving.engines.process import ProcessEngine\n"
        "from serving.engines.protocol import InstanceSpec\n"
        "from serving.workspace import Workspace\n"
        "engine = ProcessEngine(Workspace.default(), program=sys.argv[1:])\n"
        "spec = InstanceSpec(pathlib.Path('/models/serving.config'))\n"
        "print(asyncio.run(engine.start(spec)).id)\n"
    )
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *PRETENDING, stdout=subprocess.PIPE
    )
    output, _ = await starter.communicate()
    instance = await wait_for_instance(engine, output.decode().strip(), listens)
    assert instance.spec_hash == SPEC.hash
    assert instance.process is not None
    psutil.Process(instance.process).kill()
    dead = await wait_for_instance(engine, instance.id, failed)
    assert dead.failure.startswith("The process ended while nobody was watching it.")


async def test_a_start_that_was_broken_off_before_it_knew_the_process_is_adopted(
    engine: ProcessEngine, workspace: Workspace
) -> None:
    instance = await wait_for_instance(engine, (await engine.start(SPEC)).id, listens)
    path = workspace.instances / f"{instance.id}.json"
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "process": 0}))
    (seen,) = await ProcessEngine(workspace).instances()
    assert seen == instance
    assert json.loads(path.read_text())["process"] == instance.process


async def test_a_start_that_is_cancelled_leaves_nothing_unseen(
    engine: ProcessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = threading.Event(), threading.Event()
    spawn = engine._spawn

    def slow_spawn(record: InstanceRecord, spec: InstanceSpec) -> subprocess.Popen[bytes]:
        reached.set()
        go_on.wait()
        return spawn(record, spec)

    monkeypatch.setattr(engine, "_spawn", slow_spawn)
    starting = asyncio.create_task(engine.start(SPEC))
    await wait_until(reached.is_set)
    starting.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not starting.done()
    go_on.set()
    await asyncio.wait([starting])
    assert starting.cancelled()
    (seen,) = await engine.instances()
    assert seen.process is not None


@pytest.mark.parametrize(
    ("age", "state"), [(1.0, InstanceState.STARTING), (60.0, InstanceState.FAILED)]
)
async def test_a_start_that_never_came_fails_after_a_while(
    workspace: Workspace, age: float, state: InstanceState
) -> None:
    log = workspace.logs / "pets-1.log"
    InstanceRecord("pets-1", {}, SPEC.hash, started=1000.0, log=str(log)).write(workspace.instances)
    (seen,) = await ProcessEngine(workspace, clock=lambda: 1000.0 + age).instances()
    assert seen.state is state


async def test_a_number_that_another_process_got_is_not_an_instance(
    engine: ProcessEngine, workspace: Workspace
) -> None:
    log = workspace.logs / "pets-1.log"
    InstanceRecord("pets-1", {}, SPEC.hash, started=0.0, log=str(log), process=os.getpid()).write(
        workspace.instances
    )
    (seen,) = await engine.instances()
    assert seen.state is InstanceState.FAILED
    await engine.stop("pets-1", grace=0)
    assert await engine.instances() == []


async def test_a_damaged_record_is_skipped(engine: ProcessEngine, workspace: Workspace) -> None:
    (workspace.instances / "pets-1.json").write_text("{")
    assert await engine.instances() == []


async def test_a_program_that_cannot_be_started_leaves_nothing(workspace: Workspace) -> None:
    engine = ProcessEngine(workspace, program=["/no/such/program"])
    with pytest.raises(EngineError, match="could not be started"):
        await engine.start(SPEC)
    assert files_left(workspace) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process from outside")
async def test_a_memory_limit_is_set(engine: ProcessEngine) -> None:
    limit = 2**31
    instance = await engine.start(InstanceSpec(SPEC.config_file, memory_limit=limit))
    process = psutil.Process(instance.process)
    assert process.rlimit(psutil.RLIMIT_DATA) == (limit, limit)


async def test_an_instance_is_stopped_even_where_nothing_can_be_written(
    engine: ProcessEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes | str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    instance = await wait_for_instance(engine, (await engine.start(SPEC)).id, listens)
    monkeypatch.setattr("serving.engines.instance_records.write_aside", full)
    await engine.stop(instance.id)
    assert await engine.instances() == []
    with pytest.raises(EngineError, match="the disk is full"):
        await engine.start(SPEC)


async def test_what_it_uses_is_measured(engine: ProcessEngine) -> None:
    instance = await wait_for_instance(engine, (await engine.start(SPEC)).id, listens)
    stats = await engine.stats(instance.id)
    assert stats is not None
    assert 1e6 < stats.memory_bytes < 1e9
    assert 0 < stats.cpu_percent <= 400
    await engine.stop(instance.id)
    assert await engine.stats(instance.id) is None


async def test_changes_are_reported(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.engines.process.NOTIFIED_SECONDS", 1e6)
    engine = CountingEngine(workspace, program=PRETENDING)
    async with asyncio.timeout(60), aclosing(engine.changes()) as changes:
        next_change = asyncio.ensure_future(anext(changes))
        await wait_until(lambda: engine.change_polls)
        assert not next_change.done()
        instance = await engine.start(SPEC)
        await next_change
        listening = await wait_for_instance(engine, instance.id, listens)
        assert listening.process is not None
        psutil.Process(listening.process).kill()
        await anext(changes)
        while not failed((await engine.instances())[0]):
            await anext(changes)
    await engine.stop(instance.id, grace=0)


async def test_a_read_only_disk_keeps_the_record_of_one_that_ended_until_it_is_writable(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", 2**22) as disk:
        workspace = Workspace(disk.folder / "workspace").create()
        engine = ProcessEngine(workspace, program=PRETENDING)
        started = await engine.start(SPEC)
        process = (await wait_for_instance(engine, started.id, listens)).process
        assert process is not None
        with disk.read_only():
            with pytest.raises(EngineError, match=r"has ended, but .*: the disk can only be read"):
                await engine.stop(started.id)
            assert not psutil.pid_exists(process)
            assert len(await engine.instances()) == 1
        await engine.stop(started.id)
        assert await engine.instances() == []
