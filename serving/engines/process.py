"""Instances as processes of this machine, running our own model server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import psutil

from serving.background import finish
from serving.clock import Sightings, age
from serving.engines import child_processes
from serving.engines.docker.model_image.labels import BakedModel
from serving.engines.instance_records import (
    InstanceRecord,
    read_instance_record,
    read_instance_records,
    remove_abandoned,
)
from serving.engines.log_files import follow, remove_old_logs, tail
from serving.engines.names import PROCESS, is_instance_id, new_instance_id
from serving.engines.process_usage import ProcessUsage
from serving.engines.protocol import (
    ENDED_STATES,
    Availability,
    Instance,
    InstanceSpec,
    InstanceState,
    InstanceStats,
)
from serving.engines.server_flags import (
    GRPC_PORT,
    GRPC_SOCKET_FLAG,
    REFUSE_RELOAD,
    REST_PORT,
    REST_SOCKET_FLAG,
    TCP_FLAG,
    own_server_flags,
    server_flags,
)
from serving.engines.session_priority import leave_processor_to_others, take_full_share
from serving.errors import EngineError, storage_error
from serving.model_server.log_limit import LIMIT_VARIABLE, MAX_LOG_BYTES
from serving.process_exit import ExitWatch
from serving.programs import child_environment, module_command, source_folder
from serving.socket_address import socket_folder, unix_address
from serving.text.log_lines import last_line_sentence
from serving.text.shell import joined, quoted
from serving.tf.cores import core_count
from serving.tf.file_watch import ChangeWatch
from serving.workspace import Workspace

PORTS_FLAG = "--ports_file"
DEFAULT_PORTS = {
    "--port=0": f"--port={GRPC_PORT}",
    "--rest_api_port=0": f"--rest_api_port={REST_PORT}",
}
"""For a server started by hand: it picks its own only with a ports file."""
SLEEP_FLAG = "--sleep_after_seconds"
_OF_ONE_INSTANCE = (SLEEP_FLAG, PORTS_FLAG, GRPC_SOCKET_FLAG, REST_SOCKET_FLAG, TCP_FLAG)
POLL_SECONDS = 0.5
"""Between two looks at what the system does not tell of."""
NOTIFIED_SECONDS = 30.0
"""Between two looks where it does."""
PAUSE_SECONDS = 0.05
LOST_START_SECONDS = 10.0
"""A record without a process that is older was left by a start that never completed."""
MAX_PLAUSIBLE_AGE_SECONDS = 86_400.0
"""Moments that are longer ago say more about the clock than about a start."""


class _Addresses(NamedTuple):
    """Where an instance listens, as in Instance."""

    grpc: str | None = None
    rest: str | None = None
    grpc_tcp: str | None = None
    rest_tcp: str | None = None


class ProcessEngine:
    """Runs each instance as a process in a session of its own.

    Instances outlive the program that started them: any engine on the same
    workspace finds them again by their records. A process counts as an
    instance while its command line names the instance's own ports file, which a
    process that merely got the same id later never does. One that ended by
    itself is listed as FAILED, with its log, until it is stopped.

    `program` is the command that starts a server taking the flags of
    `tensorflow_model_server`; our own model server unless given.
    """

    name = PROCESS

    def __init__(
        self,
        workspace: Workspace,
        reason: str = "Processes work on every machine, with nothing else to install.",
        program: Sequence[str] | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workspace = workspace
        self._reason = reason
        self._program = list(program or module_command("serving.model_server"))
        self._clock = clock
        self._monotonic = monotonic
        self._half_written, self._without_process = Sightings(), Sightings()
        self._usage = ProcessUsage()

    async def availability(self) -> Availability:
        """Processes can always be run; the reason is that of the constructor."""
        return Availability(usable=True, reason=self._reason)

    async def instances(self) -> list[Instance]:
        """List the instances, oldest first."""
        return await asyncio.to_thread(self._instances)

    async def start(self, spec: InstanceSpec, *, fleet_size: int = 1) -> Instance:
        """Start one instance; raises EngineError if the process cannot be made."""
        # A thread cannot be cancelled: wait, so that the next list has this instance.
        return await finish(asyncio.to_thread(self._start, spec, fleet_size))

    async def baked_model(self, image: str) -> BakedModel | None:
        """Return None: processes run from no image."""
        return None

    async def grant_full_cpu(self, instance_id: str) -> None:
        """Give an instance as much of the processor as the others have."""
        record = read_instance_record(self._folder, instance_id)
        process = record and self._process(record)
        if process:
            await take_full_share(process.pid)

    async def stop(self, instance_id: str, grace: float = 10.0) -> None:
        """End the instance and remove its record and log; do nothing if there is none.

        It finishes the requests that it accepted, for `grace` seconds at most. The log of one
        that failed or had to be killed is kept. Raises EngineError if it cannot be ended.
        """
        record = read_instance_record(self._folder, instance_id)
        if record is None:
            return
        state, failure = self._state(record, alive=self._process(record) is not None)
        if state is not InstanceState.FAILED:
            failure = record.exit_reason
        # Written first, so that every program sees it drain, and not fail when its process exits.
        record = replace(record, stopping=True)
        await asyncio.to_thread(self._remember, record)
        process = self._process(record)
        if process is not None:
            try:
                if not await child_processes.terminate(self._marker(record), process, grace):
                    failure = f"It did not end within {grace:.0f} s, so it was killed."
            except psutil.AccessDenied as error:
                raise EngineError(
                    f"Instance {instance_id} may not be stopped by this user.",
                    "Stop it as the user who started it.",
                ) from error
        try:
            await asyncio.to_thread(record.remove, self._folder, failure)
        except OSError as error:
            path = record.path(self._folder)
            what = f"Instance {instance_id} has ended, but its record cannot be removed"
            raise storage_error(error, path, what, EngineError) from error
        self._usage.forget(instance_id)

    async def logs(self, instance_id: str, lines: int = 200) -> str:
        """Return the last `lines` lines it printed; raises EngineError for no such instance.

        The log of one that failed is there after it was replaced, too.
        """
        return await asyncio.to_thread(tail, self._log(instance_id), lines)

    async def follow_logs(self, instance_id: str, lines: int = 200) -> AsyncGenerator[str, None]:
        """Yield the last `lines` lines, then each new one at once, until it ends or is closed.

        Raises EngineError for no such instance.
        """
        log = self._log(instance_id)
        async with aclosing(follow(log, lines, lambda: self._is_finished(instance_id))) as new:
            async for line in new:
                yield line

    async def run_command(self, instance_id: str) -> str:
        """Return the command that starts such a server, one option a line.

        It has the usual ports in place of the instance's own sockets and ports file, which
        identifies it among all processes. Raises EngineError for no such instance.
        """
        record = self._record(instance_id)
        options = [word for word in record.command if word.startswith("--") and "=" in word]
        program = record.command[: len(record.command) - len(options)]
        shown = [
            DEFAULT_PORTS.get(option, option)
            for option in options
            if option.partition("=")[0] not in _OF_ONE_INSTANCE
        ]
        source = source_folder()
        words = ["env", f"PYTHONPATH={source}", *program] if source else [*program]
        return " \\\n  ".join([joined(words), *map(quoted, shown)])

    async def stats(self, instance_id: str) -> InstanceStats | None:
        """Return what it uses, the processor as a mean since the last call."""
        record = read_instance_record(self._folder, instance_id)
        process = record and self._process(record)
        return self._usage.read(instance_id, process) if process else None

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield within a second after an instance was started, exited or was removed."""
        before: list[Instance] | None = None
        with ChangeWatch([self._folder], POLL_SECONDS) as files, ExitWatch(files.wake) as processes:
            while True:
                now = await asyncio.to_thread(self._instances)
                if before is not None and now != before:
                    yield
                before = now
                is_notified = processes.keep(
                    each.process for each in now if each.process is not None
                )
                await files.wait(
                    NOTIFIED_SECONDS if is_notified and _has_processes(now) else POLL_SECONDS
                )
                # Several files change together.
                await asyncio.sleep(PAUSE_SECONDS)

    async def close(self) -> None:
        """Do nothing: the engine holds no connection."""

    @property
    def _folder(self) -> Path:
        return self._workspace.instances

    def _record(self, instance_id: str) -> InstanceRecord:
        """Return the record of an instance; raises EngineError if there is none."""
        record = read_instance_record(self._folder, instance_id)
        if record is None:
            raise EngineError(
                f"There is no instance {instance_id}.", "Look at the list of instances."
            )
        return record

    def _log(self, instance_id: str) -> Path:
        """Return the log of an instance, or of a former one that failed; raises EngineError."""
        record = read_instance_record(self._folder, instance_id)
        kept = self._workspace.logs / f"{instance_id}.log"
        # The id may have been typed by a person: it must not lead to another file.
        if record is None and is_instance_id(instance_id) and kept.is_file():
            return kept
        return Path(self._record(instance_id).log)

    def _is_finished(self, instance_id: str) -> bool:
        """Whether an instance will print nothing more."""
        current = read_instance_record(self._folder, instance_id)
        return current is None or (bool(current.process) and self._process(current) is None)

    def _instances(self) -> list[Instance]:
        remove_abandoned(self._folder, self._half_written, self._monotonic())
        records = read_instance_records(self._folder)
        self._without_process.keep_only(record.id for record in records if not record.process)
        known = {self._marker(record) for record in records}
        child_processes.reap(f"{PORTS_FLAG}={self._folder}{os.sep}", known)
        remove_old_logs(self._workspace.logs, {Path(record.log).name for record in records})
        return [self._instance(record) for record in records]

    def _start(self, spec: InstanceSpec, fleet_size: int) -> Instance:
        self._workspace.create()
        instance_id = new_instance_id()
        record = InstanceRecord(
            id=instance_id,
            spec=asdict(spec),
            spec_hash=spec.hash,
            started=self._clock(),
            log=str(self._workspace.logs / f"{instance_id}.log"),
        )
        try:
            record = replace(record, command=self._command(record, spec, fleet_size))
            record.write(self._folder)
            process = self._spawn(record, spec)
        except OSError as error:
            record.remove(self._folder)
            what = "The model server could not be started"
            raise storage_error(error, self._workspace.root, what, EngineError) from error
        record = replace(record, process=process.pid)
        self._remember(record)
        return self._instance(record)

    def _command(
        self, record: InstanceRecord, spec: InstanceSpec, fleet_size: int
    ) -> tuple[str, ...]:
        threads = spec.threads or max(1, core_count() // max(1, fleet_size))
        return (
            *self._program,
            "--port=0",
            "--rest_api_port=0",
            f"{TCP_FLAG}={str(spec.tcp).lower()}",
            *(f"{flag}={path}" for flag, path in self._new_sockets(record.id).items()),
            *server_flags(spec, threads),
            *own_server_flags(spec),
            *([f"{SLEEP_FLAG}={spec.sleep_after}"] if spec.sleep_after and not spec.tcp else []),
            self._marker(record),
        )

    def _new_sockets(self, instance_id: str) -> dict[str, Path]:
        """Return where a new instance listens, by the flag; raises OSError."""
        names = {GRPC_SOCKET_FLAG: f"{instance_id}.grpc", REST_SOCKET_FLAG: f"{instance_id}.rest"}
        folder = socket_folder(self._workspace.sockets, max(names.values(), key=len))
        return {flag: folder / name for flag, name in names.items()}

    def _spawn(self, record: InstanceRecord, spec: InstanceSpec) -> subprocess.Popen[bytes]:
        with Path(record.log).open("ab") as log:
            process = subprocess.Popen(
                record.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._workspace.root,
                env=child_environment(PYTHONUNBUFFERED="1", **{LIMIT_VARIABLE: str(MAX_LOG_BYTES)}),
                # Ctrl+C in a terminal reaches its whole session: instances outlive the program.
                start_new_session=True,
            )
        child_processes.add(self._marker(record), process)
        if self._is_answering():
            leave_processor_to_others(process.pid)
        if spec.memory_limit and sys.platform == "linux":
            limit = (spec.memory_limit, spec.memory_limit)
            psutil.Process(process.pid).rlimit(psutil.RLIMIT_DATA, limit)
        return process

    def _is_answering(self) -> bool:
        """Whether there is an instance that one which starts should not slow down."""
        return any(
            record.listens(self._folder) and self._process(record)
            for record in read_instance_records(self._folder)
        )

    def _remember(self, record: InstanceRecord) -> None:
        """Update the record of an instance unless it was removed meanwhile.

        On a full disk it stays as it was: the instance can be stopped all the same.
        """
        if record.path(self._folder).exists():
            with contextlib.suppress(OSError):
                record.write(self._folder)

    def _marker(self, record: InstanceRecord) -> str:
        """The argument that identifies the process of this instance."""
        return f"{PORTS_FLAG}={record.ports_path(self._folder)}"

    def _instance(self, record: InstanceRecord) -> Instance:
        process = self._process(record)
        if process is not None and record.process != process.pid:
            record = replace(record, process=process.pid)
            self._remember(record)
        state, failure = self._state(record, alive=process is not None)
        addresses = self._addresses(record) if process is not None else _Addresses()
        return Instance(
            id=record.id,
            engine=self.name,
            spec_hash=record.spec_hash if REFUSE_RELOAD in record.command else "",
            state=state,
            grpc_address=addresses.grpc,
            rest_address=addresses.rest,
            grpc_tcp_address=addresses.grpc_tcp,
            rest_tcp_address=addresses.rest_tcp,
            started=record.started,
            failure=failure,
            process=process.pid if process is not None else None,
            log=record.log,
        )

    def _addresses(self, record: InstanceRecord) -> _Addresses:
        """Return where an instance listens; nowhere until it does."""
        if not record.listens(self._folder):
            return _Addresses()
        ports = record.ports(self._folder)
        grpc, rest = _address(ports.get("grpc")), _address(ports.get("rest"))
        grpc_socket, rest_socket = record.socket(GRPC_SOCKET_FLAG), record.socket(REST_SOCKET_FLAG)
        if grpc_socket is None or rest_socket is None:  # one of Servery 0.1
            return _Addresses(grpc, rest)
        return _Addresses(unix_address(grpc_socket), unix_address(rest_socket), grpc, rest)

    def _state(self, record: InstanceRecord, *, alive: bool) -> tuple[InstanceState, str]:
        if alive and record.stopping:
            return InstanceState.DRAINING, ""
        if alive:
            asleep = record.asleep_path(self._folder).exists()
            return (InstanceState.ASLEEP if asleep else InstanceState.STARTING), ""
        if record.stopping:
            return InstanceState.STOPPED, ""
        if not record.process and not self._is_lost(record):
            return InstanceState.STARTING, ""
        reason = record.exit_reason or self._exit_reason(record)
        return InstanceState.FAILED, reason + last_line_sentence(tail(Path(record.log), 1))

    def _is_lost(self, record: InstanceRecord) -> bool:
        """Whether a start that has no process yet will never have one."""
        if self._without_process.seconds(record.id, self._monotonic()) >= LOST_START_SECONDS:
            return True
        # At the first look, a start of long ago is known by its moment, if that can be true.
        since = age(record.started, self._clock(), MAX_PLAUSIBLE_AGE_SECONDS)
        return since is not None and since >= LOST_START_SECONDS

    def _exit_reason(self, record: InstanceRecord) -> str:
        """Say why a process ended, and keep that if its parent is the one who asks."""
        reason = child_processes.exit_reason(self._marker(record))
        if reason is not None:
            self._remember(replace(record, exit_reason=reason))
            return reason
        if not record.process:
            return "Servery ended while it was starting this instance."
        return "The process ended while nobody was watching it."

    def _process(self, record: InstanceRecord) -> psutil.Process | None:
        """Return the live process of the instance."""
        return child_processes.find(self._marker(record), record.process)


def _has_processes(instances: Sequence[Instance]) -> bool:
    """Whether each has a process, or had one, so that its end is no matter of time."""
    return all(each.process is not None or each.state in ENDED_STATES for each in instances)


def _address(port: int | None) -> str | None:
    return f"127.0.0.1:{port}" if port else None
