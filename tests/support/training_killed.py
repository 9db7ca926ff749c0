"""The backend, killed with SIGKILL at a given point of its first training run.

`python -m tests.support.training_killed POINT`, followed by the backend's arguments. It is also
the training worker of that backend, which kills it, where the worker is at work.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

from backend import __main__ as backend
from backend.store.runs import RunStore
from backend.training import new_version, trainer, worker
from backend.training.worker_protocol import STAY
from serving.models import staging
from serving.models.repository import ModelRepository
from serving.models.repository_files import RepositoryFiles
from tests.support.killed_at import kill_at, kill_self

VARIABLE = "SERVERY_TEST_KILLED_AT"
"""Of the environment: the worker's point."""

WORKER_POINTS: dict[str, tuple[Any, str]] = {
    "the version is half written": (new_version, "write_answers"),
    "the version is checked": (new_version, "_check"),
}
"""Before which step of the worker the backend is killed: owner and name of a function."""

ADDING_POINTS: dict[str, tuple[Any, str]] = {
    "the version is flushed to the disk": (staging, "flush_tree"),
    "the version has its number": (staging, "flush_folder"),
    "the version is judged": (trainer, "judge"),
}
"""Before which step of the backend it is killed, once the worker has ended well."""

PROMOTING_POINTS: dict[str, int] = {
    "what was live before is written": 1,
    "which version is live is written": 3,
    "the list of what is served is written": 5,
}
"""After which write to the repository of a promotion it is killed."""

RECORDING_POINTS: dict[str, tuple[Any, str]] = {
    "the promotion is recorded": (RunStore, "record_decision"),
    "old versions are removed": (trainer, "prune"),
}
"""Before which step it is killed once the version is live."""


def kill_backend_at(point: str) -> None:
    if point in WORKER_POINTS:
        trainer.WORKER = "tests.support.training_killed"
        os.environ[VARIABLE] = point
    elif point in PROMOTING_POINTS:
        kill_in_promotion(PROMOTING_POINTS[point])
    else:
        owner, name = (ADDING_POINTS | RECORDING_POINTS)[point]
        kill_at(owner, name, 1, after=False, kill=kill_self)


def kill_in_promotion(write: int) -> None:
    """Count the writes of the next promotion: the backend writes others when it starts."""

    def count_writes() -> None:
        kill_at(RepositoryFiles, "write", write, after=True, kill=kill_self)

    kill_at(ModelRepository, "promote", 1, after=False, kill=count_writes)


def kill_backend() -> None:
    """Kill the backend from its worker, then do nothing more; the worker ends as it always does."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


if __name__ == "__main__":
    if sys.argv[1] == STAY:
        owner, name = WORKER_POINTS[os.environ[VARIABLE]]
        kill_at(owner, name, 1, after=False, kill=kill_backend)
        sys.exit(worker.main())
    kill_backend_at(sys.argv.pop(1))
    sys.exit(backend.main())
