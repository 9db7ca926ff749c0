"""Runs one training run in its own process, which can be killed at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from backend.training.worker_protocol import (
    AHEAD_NAME,
    LOG_NAME,
    STAY,
    FineTuned,
    PhotosRead,
    TrainingFailure,
    TrainingProgress,
    TrainingResult,
    TrainingSpec,
    from_line,
)
from serving.errors import BackendError
from serving.programs import child_environment

_LINE_LIMIT = 1024 * 1024

Outcome = TrainingResult | FineTuned | TrainingFailure
"""How a program that was given a spec file ends."""


class WorkerKilled(Exception):
    """`kill` was called, so there is no result."""


class PersistentWorker:
    """The process that carries out training runs, kept between them for a while.

    So a run that comes soon after another has everything loaded. Without `stays` there is a new
    process for each, to whose command the path of the spec file is appended.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, *, stays: bool, idle_seconds: float
    ) -> None:
        """`folder` gets the log of what the process prints before its first run."""
        self._command = list(command)
        self._folder = folder
        self._stays = stays
        self._idle_seconds = idle_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Future[int]] = set()
        """Processes that were idle for too long."""
        self._starting = asyncio.Lock()

    @property
    def stays(self) -> bool:
        return self._stays

    def log(self, run_folder: Path) -> Path:
        """Return the file that says why the process ended while it carried out a run.

        One that never came to it has written nothing into the run's folder.
        """
        logs = (run_folder / LOG_NAME, self._folder / LOG_NAME)
        return next((each for each in logs if each.is_file()), logs[0])

    async def begin(self, spec_file: Path) -> asyncio.subprocess.Process:
        """Return a process that carries out `spec_file` now."""
        self._stop_waiting()
        if not self._stays:
            log_file = spec_file.with_name(LOG_NAME)
            return await self._start([str(spec_file)], log_file)
        process = await self.warm_up()
        self._send(process, spec_file)
        return process

    async def warm_up(self) -> asyncio.subprocess.Process:
        """Return the process that stays; one that was ended is started again."""
        async with self._starting:
            if self._process is None or self._process.returncode is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
                # The folder tells `servery stop` whose process it is.
                arguments = [STAY, str(self._folder)]
                self._process = await self._start(arguments, self._folder / LOG_NAME)
            return self._process

    async def embed_ahead(self, spec: TrainingSpec) -> None:
        """Let the process embed images before a run asks for them; returns at once.

        A run that comes meanwhile waits for it: it would embed the same images.
        """
        process = await self.warm_up()
        spec_file = self._folder / AHEAD_NAME
        await asyncio.to_thread(spec.write, spec_file)
        self._send(process, spec_file)
        self.end_when_idle()

    def end_when_idle(self) -> None:
        """Let the process end, which gives its memory back, unless it is used again soon."""
        self._stop_waiting()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._idle_seconds, self._end_idle)

    async def close(self) -> None:
        """End the process, whatever it does."""
        self._stop_waiting()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._process = None
        await asyncio.gather(*self._ending)

    def _end_idle(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            ending = asyncio.ensure_future(self._process.wait())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            self._process = None

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _send(self, process: asyncio.subprocess.Process, spec_file: Path) -> None:
        assert process.stdin is not None
        # As JSON: the name of a workspace may have line breaks.
        process.stdin.write(json.dumps(str(spec_file)).encode() + b"\n")

    async def _start(self, arguments: Sequence[str], log: Path) -> asyncio.subprocess.Process:
        with log.open("wb") as stderr:
            return await asyncio.create_subprocess_exec(
                *self._command,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                env=worker_environment(),
                limit=_LINE_LIMIT,
                # Ctrl+C in a terminal is for the backend, which then ends the worker.
                start_new_session=True,
            )


class WorkerProcess:
    """The worker of one training run; if it crashes or is killed, nothing else is harmed."""

    def __init__(self, worker: PersistentWorker, folder: Path) -> None:
        """The spec file and a log go to `folder`."""
        self._worker = worker
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._killed = False

    async def run(
        self,
        spec: TrainingSpec,
        on_progress: Callable[[TrainingProgress], None],
        on_photos: Callable[[PhotosRead], Awaitable[None]],
    ) -> TrainingResult:
        """Let the worker carry out `spec`; returns once nothing works on it any more.

        `on_progress` gets its progress, and `on_photos` photos of an imported folder as they are
        read; what that raises ends the process and is raised here.
        Raises BackendError unless a version was written, WorkerKilled after `kill`.
        """
        outcome = await self._run(spec, on_progress, on_photos)
        if not isinstance(outcome, TrainingResult):
            raise await self._unexpected(None)
        return outcome

    async def fine_tune(
        self, spec: TrainingSpec, on_progress: Callable[[TrainingProgress], None]
    ) -> FineTuned:
        """Let the fine-tuning program carry out `spec`, as `run` does for a worker."""

        async def no_photos(read: PhotosRead) -> None:
            """It labels no photos."""

        outcome = await self._run(spec, on_progress, no_photos)
        if not isinstance(outcome, FineTuned):
            raise await self._unexpected(None)
        return outcome

    async def _unexpected(self, code: int | None) -> BackendError:
        log = await asyncio.to_thread(self._worker.log, self._folder)
        return BackendError(
            f"The training process ended unexpectedly (code {code}).",
            f"{_reason(code)}See {log} for details, then train again.",
        )

    async def _run(
        self,
        spec: TrainingSpec,
        on_progress: Callable[[TrainingProgress], None],
        on_photos: Callable[[PhotosRead], Awaitable[None]],
    ) -> TrainingResult | FineTuned:
        self._folder.mkdir(parents=True, exist_ok=True)
        spec_file = self._folder / "spec.json"
        spec.write(spec_file)
        process = await self._worker.begin(spec_file)
        self._process = process
        ended_well = False
        code: int | None = None
        try:
            if self._killed:  # while the process was being started
                self.kill()
            outcome = await _outcome(process, on_progress, on_photos, to_end=not self._worker.stays)
            ended_well = outcome is not None and self._worker.stays and not self._killed
            if not ended_well:
                code = await process.wait()
        finally:
            if ended_well:
                self._worker.end_when_idle()
            elif process.returncode is None:
                self.kill()
                await process.wait()
        if self._killed:
            raise WorkerKilled
        if isinstance(outcome, TrainingFailure):
            raise BackendError(outcome.what, outcome.advice)
        if outcome is None or code:
            raise await self._unexpected(code)
        return outcome

    def kill(self) -> None:
        """End the process now, or as soon as it starts."""
        self._killed = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def _reason(code: int | None) -> str:
    if code != -signal.SIGKILL:
        return ""
    return "The system ends a program so when memory runs out: close others first. "


async def _outcome(
    process: asyncio.subprocess.Process,
    on_progress: Callable[[TrainingProgress], None],
    on_photos: Callable[[PhotosRead], Awaitable[None]],
    *,
    to_end: bool,
) -> Outcome | None:
    """Return the outcome, once it is sent or, with `to_end`, once the process has ended."""
    assert process.stdout is not None
    outcome: Outcome | None = None
    async for line in process.stdout:
        message = from_line(line)
        if isinstance(message, TrainingProgress):
            on_progress(message)
        elif isinstance(message, PhotosRead):
            await on_photos(message)
        elif message is not None:
            outcome = message
            if not to_end:
                break
    return outcome


def worker_environment() -> dict[str, str]:
    """Return the environment of a program that loads versions, which leaves accelerators alone.

    Its matrices are small, so that threads for them would only wait for each other.
    """
    return child_environment(**worker_variables())


def worker_variables() -> dict[str, str]:
    """Return the variables that such a program needs."""
    return {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "-1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
