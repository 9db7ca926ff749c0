"""Runs one training run in its own process, which can be killed at any moment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from backend.training.worker_protocol import (
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


class WorkerKilled(Exception):
    """`kill` was called, so there is no result."""


class WorkerProcess:
    """The worker of one training run; if it crashes or is killed, nothing else is harmed."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        """The path of a spec file is appended to `command`; it and a log go to `folder`."""
        self._command = list(command)
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._killed = False

    async def run(
        self,
        spec: TrainingSpec,
        on_progress: Callable[[TrainingProgress], None],
        on_photos: Callable[[PhotosRead], Awaitable[None]],
    ) -> TrainingResult:
        """Carry out `spec`, handing progress to `on_progress`; no process is left afterwards.

        `on_photos` gets photos of an imported folder as they are read; what it raises
        ends the process and is raised here.
        Raises BackendError unless a version was written, WorkerKilled after `kill`.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        spec_file = self._folder / "spec.json"
        spec.write(spec_file)
        log_file = self._folder / "worker.log"
        with log_file.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                str(spec_file),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=worker_environment(),
                limit=_LINE_LIMIT,
                # Ctrl+C in a terminal is for the backend, which then ends the worker.
                start_new_session=True,
            )
        self._process = process
        try:
            if self._killed:  # while the process was being started
                self.kill()
            outcome = await _outcome(process, on_progress, on_photos)
            code = await process.wait()
        finally:
            if process.returncode is None:
                self.kill()
                await process.wait()
        if self._killed:
            raise WorkerKilled
        if isinstance(outcome, TrainingFailure):
            raise BackendError(outcome.what, outcome.advice)
        if outcome is None or code != 0:
            raise BackendError(
                f"The training process ended unexpectedly (code {code}).",
                f"See {log_file} for details, then train again.",
            )
        return outcome

    def kill(self) -> None:
        """End the process now, or as soon as it starts."""
        self._killed = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


async def _outcome(
    process: asyncio.subprocess.Process,
    on_progress: Callable[[TrainingProgress], None],
    on_photos: Callable[[PhotosRead], Awaitable[None]],
) -> TrainingResult | TrainingFailure | None:
    assert process.stdout is not None
    outcome: TrainingResult | TrainingFailure | None = None
    async for line in process.stdout:
        message = from_line(line)
        if isinstance(message, TrainingProgress):
            on_progress(message)
        elif isinstance(message, PhotosRead):
            await on_photos(message)
        elif message is not None:
            outcome = message
    return outcome


def worker_environment() -> dict[str, str]:
    """Return the environment of a program that loads versions, which leaves accelerators alone.

    Its matrices are small, so that threads for them would only wait for each other.
    """
    return child_environment(
        TF_CPP_MIN_LOG_LEVEL="2",
        CUDA_VISIBLE_DEVICES="-1",
        OPENBLAS_NUM_THREADS="1",
        OMP_NUM_THREADS="1",
    )
