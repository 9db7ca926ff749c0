"""Ends everything of a workspace: its programs, its backend, its training, its instances."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field, replace

from backend.client import backend_lock_file
from desktop.running_programs import forget_killed, running_programs
from desktop.stop_process import end_process
from desktop.workspace_processes import INSTANCE, workspace_processes
from serving.engines.choose import ENGINES
from serving.engines.names import PROCESS
from serving.engines.protocol import Engine, Instance
from serving.errors import EngineError
from serving.fleet.record import RecordFile
from serving.lock_state import is_locked
from serving.progress import Report, no_report
from serving.workspace import Workspace

PROGRAM_SECONDS = 30.0
"""How long `servery serve` or a window may take, which answers what it accepted, before it is
killed."""
BACKEND_SECONDS = 10.0
INSTANCE_SECONDS = 10.0
RECORD_SECONDS = 3.0
"""How long another program may hold the fleet's record; one that hangs holds it for ever."""
ENGINE_SECONDS = 30.0
"""How long an engine may take to list its instances, and to end all of them."""


@dataclass
class StopResult:
    """What was ended, and what could not be, as sentences and parts of them."""

    stopped: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


async def stop_workspace(workspace: Workspace, report: Report = no_report) -> StopResult:
    """End everything of a workspace, in an order in which nothing is started again meanwhile.

    Only processes that are proven to be the workspace's are ended, gracefully first. The fleet
    is set to no instances, so that no other program starts them again. Takes a minute at
    most, whatever hangs. May be called again and again.
    """
    result = StopResult()
    if not workspace.root.is_dir():
        return result
    report(0, 4, "Stopping programs")
    failure = await _record_no_instances(workspace)
    programs = [each for each in running_programs(workspace) if each.pid != os.getpid()]
    await asyncio.gather(
        *(_end(result, str(each), each.pid, each.identity, PROGRAM_SECONDS) for each in programs)
    )
    if failure and (failure := await _record_no_instances(workspace)):
        result.failed.append(
            f"The fleet was not set to no instances, so the next program starts them. {failure}"
        )
    report(1, 4, "Stopping the backend")
    await _end_processes(workspace, result, instances=False)
    report(2, 4, "Stopping instances")
    for name in ENGINES:
        await _stop_instances(name, workspace, result)
    report(3, 4, "Looking for what is left")
    await _end_processes(workspace, result, instances=True)
    forget_killed(workspace)
    if not is_locked(backend_lock_file(workspace)):
        with contextlib.suppress(OSError):
            workspace.backend_run_file.unlink()
    return result


async def _record_no_instances(workspace: Workspace) -> str:
    """Set the fleet to no instances; says why if that cannot be written, or not in time."""
    record = RecordFile(workspace.fleet_record, workspace.damaged)
    if not record.exists() or not record.read().desired_count:
        return ""
    try:
        async with asyncio.timeout(RECORD_SECONDS):
            await record.change(lambda fleet: replace(fleet, desired_count=0, retiring=()))
    except TimeoutError:
        return f"Another program holds {workspace.fleet_record}. Run `servery stop` again."
    except EngineError as error:
        return str(error)
    return ""


async def _end(
    result: StopResult, what: str, pid: int, identity: str, grace_seconds: float
) -> None:
    if await end_process(pid, identity, grace_seconds):
        result.stopped.append(what)
    else:
        result.failed.append(f"{what} does not end, or may not be ended by this user.")


async def _end_processes(workspace: Workspace, result: StopResult, *, instances: bool) -> None:
    found = await asyncio.to_thread(workspace_processes, workspace)
    await asyncio.gather(
        *(
            _end(result, str(each), each.pid, each.identity, BACKEND_SECONDS)
            for each in found
            if instances or each.kind != INSTANCE
        )
    )


async def _stop_instances(name: str, workspace: Workspace, result: StopResult) -> None:
    """Stop all instances that one engine runs; one that does not answer runs none that is ours."""
    engine = await asyncio.to_thread(ENGINES[name], workspace)
    try:
        async with asyncio.timeout(ENGINE_SECONDS):
            instances = await engine.instances()
            await asyncio.gather(*(_stop_instance(engine, each, result) for each in instances))
    except (EngineError, TimeoutError) as error:
        if name == PROCESS or isinstance(error, TimeoutError):
            result.failed.append(f"Instances on {name} could not be stopped. {error}".strip())
    finally:
        await engine.close()


async def _stop_instance(engine: Engine, instance: Instance, result: StopResult) -> None:
    try:
        await engine.stop(instance.id, INSTANCE_SECONDS)
    except EngineError as error:
        result.failed.append(f"Instance {instance.id} was not stopped in good order. {error}")
    else:
        result.stopped.append(f"instance {instance.id} ({engine.name})")
