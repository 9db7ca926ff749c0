"""Instances as processes of this machine, running our own model server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path

import psutil

import serving
from serving.engines import child_processes
from serving.engines.instance_records import (
    InstanceRecord,
    read_instance_record,
    read_instance_records,
)
from serving.engines.log_files import follow, tail
from serving.engines.names import PROCESS
from serving.engines.process_usage import ProcessUsage
from serving.engines.protocol import (
    Availability,
    Instance,
    InstanceSpec,
    InstanceState,
    InstanceStats,
)
from serving.engines.server_flags import GRPC_PORT, REST_PORT, server_flags
from serving.errors import EngineError
from serving.programs import module_command
from serving.tf.cores import core_count
from serving.workspace import Workspace

PORTS_FLAG = "--ports_file"
DEFAULT_PORTS = {
    "--port=0": f"--port={GRPC_PORT}",
    "--rest_api_port=0": f"--rest_api_port={REST_PORT}",
}
"""What a person says who starts a server by hand; only with a ports file it picks its own."""
POLL_SECONDS = 0.5
LOST_START_SECONDS = 10.0
"""A record without a process that is older than this was left by a start that never came."""
KILL_SECONDS = 5.0


class ProcessEngine:
    """Runs each instance as a process in a session of its own.

    Instances outlive the program that started them: any engine on the same
    workspace finds them again by their run files. A process counts as an
    instance while its command line names the instance's own ports file, which a
    process that merely got the same number later never does. One that ended by
    itself is listed as FAILED, with its log, until it is stopped.

    `program` is the command that starts a server taking the flags of
    `tensorflow_model_server`; our own model server unless given.
    """

    name = PROCESS

    def __init__(
        self,
        workspace: Workspace,
        reason: str = "Processes work on every machine.",
        program: Sequence[str] | None = None,
    ) -> None:
        self._workspace = workspace
        self._reason = reason
        self._program = list(program or module_command("serving.model_server"))
        self._usage = ProcessUsage()

    async def availability(self) -> Availability:
        """Processes can always be run; the reason is the one given when it was made."""
        return Availability(usable=True, reason=self._reason)

    async def instances(self, model: str | None = None) -> list[Instance]:
        """List the instances, of `model` only where it is given, oldest first."""
        return await asyncio.to_thread(self._instances, model)

    async def start(self, spec: InstanceSpec, *, fleet_size: int = 1) -> Instance:
        """Start one instance; raises EngineError where the process cannot be made."""
        return await asyncio.to_thread(self._start, spec, fleet_size)

    async def grant_full_cpu(self, instance_id: str) -> None:
        """Nothing: only an administrator could give back what a start was denied."""

    async def stop(self, instance_id: str, grace: float = 10.0) -> None:
        """End the instance and remove what is kept of it; nothing where there is none.

        It finishes what it accepted, for `grace` seconds at most. Raises
        EngineError where it cannot be ended.
        """
        record = read_instance_record(self._folder, instance_id)
        if record is None:
            return
        record = replace(record, stopping=True)
        await asyncio.to_thread(self._remember, record)
        process = self._process(record)
        if process is not None:
            try:
                await self._end(record, process, grace)
            except psutil.AccessDenied as error:
                raise EngineError(
                    f"Instance {instance_id} may not be stopped by this user.",
                    "Stop it as the user who started it.",
                ) from error
        record.remove(self._folder)
        self._usage.forget(instance_id)

    async def logs(self, instance_id: str, lines: int = 200) -> str:
        """Return the last `lines` lines it printed; raises EngineError for no such instance."""
        return await asyncio.to_thread(tail, Path(self._record(instance_id).log), lines)

    async def follow_logs(self, instance_id: str, lines: int = 200) -> AsyncGenerator[str, None]:
        """Yield the last `lines` lines, then each new one at once, until it ends or is closed.

        Raises EngineError for no such instance.
        """
        record = self._record(instance_id)
        async with aclosing(follow(Path(record.log), lines, lambda: self._ends(record))) as new:
            async for line in new:
                yield line

    async def run_command(self, instance_id: str) -> str:
        """Return the command that starts such a server, one option a line.

        It has the usual ports in place of the ports file, which tells the instance
        from every other process. Raises EngineError for no such instance.
        """
        record = self._record(instance_id)
        options = [word for word in record.command if word.startswith("--") and "=" in word]
        program = record.command[: len(record.command) - len(options)]
        shown = [
            DEFAULT_PORTS.get(option, option) for option in options if option != self._mark(record)
        ]
        ours = _search_path()
        words = ["env", f"PYTHONPATH={ours}", *program] if ours else [*program]
        return " \\\n  ".join([shlex.join(words), *map(shlex.quote, shown)])

    async def stats(self, instance_id: str) -> InstanceStats | None:
        """Return what it uses, the processor as a mean since the last time asked."""
        record = read_instance_record(self._folder, instance_id)
        process = record and self._process(record)
        return self._usage.read(instance_id, process) if process else None

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield within a second after an instance was started, ended or removed."""
        before: list[Instance] | None = None
        while True:
            now = await self.instances()
            if before is not None and now != before:
                yield
            before = now
            await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """Nothing is held that would have to be let go of."""

    @property
    def _folder(self) -> Path:
        return self._workspace.instances

    def _record(self, instance_id: str) -> InstanceRecord:
        """Return what is kept of an instance; raises EngineError where there is none."""
        record = read_instance_record(self._folder, instance_id)
        if record is None:
            raise EngineError(
                f"There is no instance {instance_id}.", "Look at the list of instances."
            )
        return record

    def _ends(self, record: InstanceRecord) -> bool:
        """Whether an instance will print nothing more."""
        kept = read_instance_record(self._folder, record.id)
        return kept is None or (bool(kept.process) and self._process(kept) is None)

    def _instances(self, model: str | None) -> list[Instance]:
        records = read_instance_records(self._folder)
        kept = {self._mark(record) for record in records}
        child_processes.reap(f"{PORTS_FLAG}={self._folder}{os.sep}", kept)
        return [self._seen(record) for record in records if model in (None, record.model)]

    def _start(self, spec: InstanceSpec, fleet_size: int) -> Instance:
        self._workspace.create()
        instance_id = f"{spec.model}-{secrets.token_hex(3)}"
        record = InstanceRecord(
            id=instance_id,
            model=spec.model,
            spec=asdict(spec),
            spec_hash=spec.hash,
            started=time.time(),
            log=str(self._workspace.logs / f"{instance_id}.log"),
        )
        record = replace(record, command=self._command(record, spec, fleet_size))
        try:
            record.write(self._folder)
            process = self._spawn(record, spec)
        except OSError as error:
            record.remove(self._folder)
            raise EngineError(
                f"The model server could not be started: {error.strerror or error}.",
                "Close other programs, or install Servery again.",
            ) from error
        record = replace(record, process=process.pid)
        self._remember(record)
        return self._seen(record)

    def _command(
        self, record: InstanceRecord, spec: InstanceSpec, fleet_size: int
    ) -> tuple[str, ...]:
        threads = spec.threads or max(1, core_count() // max(1, fleet_size))
        return (
            *self._program,
            "--port=0",
            "--rest_api_port=0",
            *server_flags(spec, threads),
            self._mark(record),
        )

    def _spawn(self, record: InstanceRecord, spec: InstanceSpec) -> subprocess.Popen[bytes]:
        with Path(record.log).open("ab") as log:
            process = subprocess.Popen(
                record.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._workspace.root,
                env=_environment(),
                start_new_session=True,
            )
        child_processes.add(self._mark(record), process)
        if spec.memory_limit and sys.platform == "linux":
            limit = (spec.memory_limit, spec.memory_limit)
            psutil.Process(process.pid).rlimit(psutil.RLIMIT_DATA, limit)
        return process

    def _remember(self, record: InstanceRecord) -> None:
        """Write what became known of an instance that is not removed meanwhile.

        On a full disk it stays unwritten: an instance can be stopped all the same.
        """
        if record.path(self._folder).exists():
            with contextlib.suppress(OSError):
                record.write(self._folder)

    def _mark(self, record: InstanceRecord) -> str:
        """The argument by which a process is known to be this instance."""
        return f"{PORTS_FLAG}={record.ports_path(self._folder)}"

    def _seen(self, record: InstanceRecord) -> Instance:
        process = self._process(record)
        if process is not None and record.process != process.pid:
            record = replace(record, process=process.pid)
            self._remember(record)
        state, failure = self._state(record, alive=process is not None)
        ports = record.ports(self._folder) if process is not None else {}
        return Instance(
            id=record.id,
            engine=self.name,
            model=record.model,
            spec_hash=record.spec_hash,
            state=state,
            grpc_address=_address(ports.get("grpc")),
            rest_address=_address(ports.get("rest")),
            started=record.started,
            failure=failure,
            process=process.pid if process is not None else None,
        )

    def _state(self, record: InstanceRecord, *, alive: bool) -> tuple[InstanceState, str]:
        if alive:
            return (InstanceState.DRAINING if record.stopping else InstanceState.STARTING), ""
        if record.stopping:
            return InstanceState.STOPPED, ""
        if not record.process and time.time() - record.started < LOST_START_SECONDS:
            return InstanceState.STARTING, ""
        reason = record.ended or self._ending(record)
        last = tail(Path(record.log), 1).strip()
        return (
            InstanceState.FAILED,
            f"{reason} The last line of its log: {last}" if last else reason,
        )

    def _ending(self, record: InstanceRecord) -> str:
        """Say why a process ended, and keep it where its parent is the one who asks."""
        child = child_processes.find(self._mark(record))
        if child is None or child.poll() is None:
            if not record.process:
                return "Servery ended while it was starting this instance."
            return "The process ended while nobody was watching it."
        reason = _exit_sentence(child.returncode)
        self._remember(replace(record, ended=reason))
        return reason

    def _process(self, record: InstanceRecord) -> psutil.Process | None:
        """Return the live process of the instance."""
        child = child_processes.find(self._mark(record))
        try:
            if child is not None:
                return psutil.Process(child.pid) if child.poll() is None else None
            if record.process:
                process = psutil.Process(record.process)
                return process if self._is_instance(process, record) else None
        except psutil.Error:
            return None
        for process in psutil.process_iter():
            try:
                if self._is_instance(process, record):
                    return process
            except psutil.Error:
                continue
        return None

    def _is_instance(self, process: psutil.Process, record: InstanceRecord) -> bool:
        return self._mark(record) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE

    async def _end(self, record: InstanceRecord, process: psutil.Process, grace: float) -> None:
        try:
            process.terminate()
            if await self._gone(record, process, grace):
                return
            process.kill()
            if await self._gone(record, process, KILL_SECONDS):
                return
        except psutil.NoSuchProcess:
            return
        raise EngineError(
            f"Process {process.pid} does not end.",
            "It waits for the disk or the kernel; look at it with the system's process list.",
        )

    async def _gone(self, record: InstanceRecord, process: psutil.Process, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not self._has_ended(record, process):
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(0.02)
        return True

    def _has_ended(self, record: InstanceRecord, process: psutil.Process) -> bool:
        child = child_processes.find(self._mark(record))
        if child is not None:
            return child.poll() is not None
        try:
            return process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


def _address(port: int | None) -> str | None:
    return f"127.0.0.1:{port}" if port else None


def _exit_sentence(status: int) -> str:
    if status < 0:
        try:
            return f"The process was ended by {signal.Signals(-status).name}."
        except ValueError:
            return f"The process was ended by signal {-status}."
    if status:
        return f"The process ended with exit status {status}."
    return "The process ended by itself."


def _environment() -> dict[str, str]:
    """The environment in which `python -m` finds this very code, from any folder."""
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    if ours := _search_path():
        before = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{ours}{os.pathsep}{before}" if before else ours
    return environment


def _search_path() -> str:
    """The folder in which Python finds this code; empty where it is part of the program."""
    return "" if getattr(sys, "frozen", False) else str(Path(serving.__file__).resolve().parents[1])
