"""Finds the workspace's backend, or starts one and stops it again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from backend.client import BackendClient, BackendRunFile, backend_lock_file
from backend.contract import (
    DATABASE_VARIABLE,
    DEFAULT_PORT,
    EXIT_ALREADY_RUNNING,
    database_name,
)
from desktop.stop_process import end_process
from desktop.translation import tr
from serving.access_token import AccessToken
from serving.engines.log_files import tail
from serving.engines.names import AUTO
from serving.errors import BackendError, ServeryError, storage_error
from serving.files import write_aside
from serving.listen_address import ListenAddress
from serving.lock_state import is_locked, lock_holder
from serving.parent import ParentPipe
from serving.process_exit import ExitWatch
from serving.process_identity import is_running, process_identity
from serving.programs import module_command
from serving.state_files import set_aside
from serving.tls_certificate import CertificateFiles
from serving.workspace import Workspace

START_TIMEOUT_SECONDS = 60.0
"""How long a backend may take until it answers."""
HELD_SECONDS = 20.0
"""How long another one may hold the workspace without answering."""
STOP_TIMEOUT_SECONDS = 15.0
"""How long it may take to exit before it is killed."""
LOOPBACK = "127.0.0.1"
LOG_NAME = "backend.log"
_PROBE = ".probe"
"""A file in the folder of the run file, written to see whether there is room for that."""
_TRACEBACK = r"\nTraceback"
_POLL_SECONDS = 0.05
_NOTIFIED_SECONDS = 30.0
"""Between two looks at a backend of whose end the system tells."""


@dataclass(frozen=True)
class BackendOptions:
    """How a backend is to run. What is None may be as it is in one that runs already."""

    host: str | None = None
    """The address to listen on; by default loopback."""
    port: int | None = None
    """The port to listen on; 0 for any free one, which is also what None may end up with."""
    near_port: int = DEFAULT_PORT
    """The port to try first if none has to be."""
    engine: str = AUTO
    allow_hosts: tuple[str, ...] = ()
    """Names as `serving.listen_address.checked_host_name` returns them."""
    memory_budget: int | None = None
    """Bytes that photos in flight may take; by default as the backend has it."""
    database: str | None = None
    """The URL of a database of PostgreSQL to keep labels in; by default what the environment says,
    or SQLite."""
    certificate: CertificateFiles | None = None
    """What connections are encrypted with; by default as the backend has it, or not at all."""
    started_by: str = "Servery"
    """Which program starts it, for sentences."""

    def arguments(self) -> list[str]:
        port = self.near_port if self.port is None else self.port
        return [
            *("--host", self.host or LOOPBACK),
            *("--port", str(port), *(["--exact-port"] if self.port else [])),
            *("--engine", self.engine),
            *(word for name in self.allow_hosts for word in ("--allow-host", name)),
            *(("--memory-budget", str(self.memory_budget)) if self.memory_budget else ()),
            *(self._certificate_arguments()),
            # Whatever the environment says of backends of a stack: nobody else would train here.
            *("--role", "all"),
            *("--started-by", self.started_by),
        ]

    def _certificate_arguments(self) -> list[str]:
        if self.certificate is None:
            return []
        files = self.certificate
        # The backend may run in another folder.
        return [
            *("--tls-certificate", str(files.certificate.absolute())),
            *("--tls-key", str(files.key.absolute())),
        ]

    def environment(self) -> dict[str, str] | None:
        """Return the environment of the backend: other users may read its arguments."""
        return {**os.environ, DATABASE_VARIABLE: self.database} if self.database else None

    def reason_against(self, running: BackendRunFile) -> str:
        """Say as a sentence why a running backend is not what is asked for; empty if it is."""
        parts = urlsplit(running.url)
        host = running.host or parts.hostname or ""
        if self.host is not None and ListenAddress.resolve(self.host).host != host:
            return tr(
                "A backend of this workspace listens on {host} already, not on {requested}.",
                host=host,
                requested=self.host,
            )
        if self.port and self.port != parts.port:
            return tr("A backend of this workspace listens at {url} already.", url=running.url)
        for name in self.allow_hosts:
            if name not in running.allow_hosts:
                return tr(
                    "The backend that runs already is not to be reached by the name {name}.",
                    name=name,
                )
        if self.memory_budget not in (None, running.memory_budget):
            return tr("The backend that runs already has another memory budget.")
        if self.certificate is not None and parts.scheme != "https":
            return tr("The backend that runs already does not encrypt its connections.")
        if self.database and database_name(self.database) != running.database:
            return tr("The backend that runs already keeps its labels in another database.")
        return ""


DEFAULT_OPTIONS = BackendOptions()


@dataclass(frozen=True)
class BackendHandle:
    """A backend that answered."""

    url: str
    pid: int
    identity: str
    """Of its process: see `serving.process_identity`."""
    process: subprocess.Popen[bytes] | None = None
    """The process if it was started here."""
    pipe: ParentPipe | None = None
    """By which it ends with this program, if it was started here."""
    left: str = ""
    """Which program, now gone, started it and left it running; empty if none."""
    owner: str = ""
    """Who runs it, for a sentence, if it was not started here."""

    @property
    def started_here(self) -> bool:
        return self.process is not None

    @property
    def may_be_ended(self) -> bool:
        """Whether it was started here, or by a program that is gone: nobody else would end it."""
        return self.started_here or bool(self.left)

    async def exited(self) -> int | None:
        """Return once the process has ended: the exit code, or None if it is not a child."""
        ended = asyncio.Event()
        with ExitWatch(ended.set) as watch:
            while True:
                is_notified = watch.keep([self.pid])
                if self.process is not None and (code := self.process.poll()) is not None:
                    return code
                if self.process is None and not is_running(self.pid, self.identity):
                    return None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(
                        _NOTIFIED_SECONDS if is_notified else 4 * _POLL_SECONDS
                    ):
                        await ended.wait()

    def keep_running(self, stays: bool) -> None:
        """Say whether it runs on when this program ends, however that does."""
        if self.pipe is not None:
            self.pipe.keep_running(stays)

    async def stop(self, *, also_left: bool = False) -> None:
        """Stop the process if it was started here, gracefully; any other backend runs on.

        With `also_left`, one is stopped too that a program left running which is gone.
        """
        if self.process is not None:
            await _terminate(self.process)
        elif also_left and self.left:
            await end_process(self.pid, self.identity, STOP_TIMEOUT_SECONDS)

    def close(self) -> None:
        """Let go of it, by which it ends unless it was asked to stay."""
        if self.pipe is not None:
            self.pipe.close()


async def ensure_backend(
    workspace: Workspace, options: BackendOptions = DEFAULT_OPTIONS
) -> BackendHandle:
    """Return the workspace's backend; start one if none answers.

    One that runs already and is not as `options` ask for is replaced if the program that
    started it is gone. Raises BackendError if another program runs it, or if it does
    not come up. However this ends, a process that it started and does not return has
    been waited for.
    """
    found = await _find_running(workspace)
    if found is not None:
        reason = options.reason_against(found)
        if not reason:
            return _joined(found)
        if not found.is_orphaned:
            raise _other_owner_error(found, reason)
        await end_process(found.pid, found.identity, STOP_TIMEOUT_SECONDS)
    return await _start(workspace, options)


async def check_running_backend(workspace: Workspace, options: BackendOptions) -> None:
    """Raise BackendError if another program runs a backend that is not as `options` ask for."""
    found = await _find_running(workspace)
    if found is not None and not found.is_orphaned and (reason := options.reason_against(found)):
        raise _other_owner_error(found, reason)


async def interrupted_runs(workspace: Workspace, handle: BackendHandle) -> int:
    """Return how many training runs ended because the backend before was killed."""
    if not handle.started_here:
        return 0
    with contextlib.suppress(BackendError):
        async with BackendClient(handle.url, token=AccessToken(workspace.token)) as client:
            return (await client.health()).interrupted_runs
    return 0


async def find_backend(workspace: Workspace) -> BackendHandle | None:
    """Return the backend that answers; None if none does."""
    found = await _find_running(workspace)
    return None if found is None else _joined(found)


async def _start(workspace: Workspace, options: BackendOptions) -> BackendHandle:
    log = _prepared_log(workspace)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_TIMEOUT_SECONDS
    held_until = loop.time() + HELD_SECONDS
    while True:
        handle = await _start_once(workspace, options, log, deadline)
        if handle is not None:
            return handle
        # Another backend holds the workspace: one that starts, one that is about to end, or
        # one that hangs.
        while (found := await _find_running(workspace)) is None:
            if not is_locked(backend_lock_file(workspace)):
                break
            if loop.time() > held_until:
                raise _held(workspace)
            await asyncio.sleep(4 * _POLL_SECONDS)
        if found is not None:
            if reason := options.reason_against(found):
                raise _other_owner_error(found, reason)
            return _joined(found)


def _prepared_log(workspace: Workspace) -> Path:
    """Return the file that a backend prints to, in a workspace that it can use.

    Raises BackendError if the disk refuses it, which may be over at the next try.
    """
    log = workspace.root / LOG_NAME
    try:
        log = workspace.create().logs / LOG_NAME
        if os.path.lexists(log) and not log.is_file():  # opening a pipe would wait for a reader
            set_aside(log, workspace.damaged)
        log.open("ab").close()
        # A backend runs without room for its run file, but nobody would find it.
        probe = workspace.run / _PROBE
        write_aside(probe, "?")
        probe.unlink(missing_ok=True)
    except OSError as error:
        what = tr("The backend cannot be started")
        raise storage_error(error, log, what, BackendError) from error
    except ServeryError as error:
        raise BackendError(error.what, error.advice) from error
    return log


async def _start_once(
    workspace: Workspace, options: BackendOptions, log: Path, deadline: float
) -> BackendHandle | None:
    """Return the backend that was started; None if another one holds the workspace."""
    arguments = ["--workspace", str(workspace.root), *options.arguments()]
    pipe = ParentPipe()
    keep = False
    try:
        command = [*module_command("backend"), *arguments]
        process = _spawn(command, options.environment(), log, pipe)
        try:
            url = await _wait_until_ready(workspace, process, log, deadline)
            keep = bool(url)
        finally:
            # Another program may have started its backend first. Ours cannot serve the workspace
            # then, and nobody else would wait for it.
            if not keep:
                await asyncio.shield(_terminate(process))
    finally:
        pipe.started()
        if not keep:
            pipe.close()
    if not keep:
        return None
    return BackendHandle(url, process.pid, process_identity(process.pid), process, pipe)


def _spawn(
    command: Sequence[str], environment: dict[str, str] | None, log: Path, pipe: ParentPipe
) -> subprocess.Popen[bytes]:
    """Start a process of its own session: a Ctrl+C meant for its parent does not reach it."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [*command, *pipe.arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pipe.inherited,
        )


async def _wait_until_ready(
    workspace: Workspace, process: subprocess.Popen[bytes], log: Path, deadline: float
) -> str:
    """Return the URL at which `process` answers; empty if another backend does instead."""
    loop = asyncio.get_running_loop()
    while loop.time() < deadline:
        code = process.poll()
        found = await _find_running(workspace)
        if found is not None:
            return found.url if found.pid == process.pid else ""
        if code == EXIT_ALREADY_RUNNING:
            return ""
        if code is not None:
            raise BackendError(
                _exit_sentence(log),
                tr("Its output is in {log}.", log=log),
            )
        await asyncio.sleep(_POLL_SECONDS)
    raise BackendError(
        tr(
            "The backend did not answer within {seconds} s.",
            seconds=round(START_TIMEOUT_SECONDS),
        ),
        tr("Look at {log}.", log=log),
    )


async def _find_running(workspace: Workspace) -> BackendRunFile | None:
    """Return where the backend is that answers; None if none does."""
    client = await BackendClient.find(workspace)
    if client is None:
        return None
    await client.close()
    running = BackendRunFile.read(workspace)
    return running if running is not None and running.url.rstrip("/") == client.url else None


def _joined(running: BackendRunFile) -> BackendHandle:
    return BackendHandle(
        running.url,
        running.pid,
        running.identity or process_identity(running.pid),
        left=running.started_by if running.is_orphaned else "",
        owner=running.owner,
    )


def _other_owner_error(running: BackendRunFile, reason: str) -> BackendError:
    return BackendError(
        f"{reason} " + tr("It is run by {owner}.", owner=running.owner),
        tr("End that program first, or leave out --host and --port to use its backend."),
    )


def _held(workspace: Workspace) -> BackendError:
    holder = lock_holder(backend_lock_file(workspace))
    what = (
        tr("Process {pid} is a backend of this workspace that does not answer.", pid=holder)
        if holder
        else tr("Another process is a backend of this workspace that does not answer.")
    )
    return BackendError(
        what,
        tr("End it with `servery stop`, then try again."),
    )


async def _terminate(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.send_signal(signal.SIGCONT)  # one that was stopped gets the other only once it goes on
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STOP_TIMEOUT_SECONDS
    while process.poll() is None:
        if loop.time() > deadline:
            process.kill()
        await asyncio.sleep(_POLL_SECONDS)


def _exit_sentence(log: Path) -> str:
    """Say that the backend has exited, with the last line that it printed."""
    lines = tail(log, 20).splitlines()
    line = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if not line:
        return tr("The backend exited while starting: it printed nothing.")
    # A record of the log is one line, the traceback in it too, for who opens the log.
    shown = line.partition(_TRACEBACK)[0]
    return tr("The backend exited while starting: {last_line}", last_line=shown)
