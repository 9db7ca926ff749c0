"""A training run that waits for its turn."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backend.contract import RunState, StartedBy, TrainingRun
from backend.training.photo_source import PhotoSource
from serving.clock import utc_now


@dataclass(frozen=True)
class QueuedRun:
    """A run that waits for the worker, and what it needs beside the labels."""

    run: TrainingRun
    source: PhotoSource | None = None
    tuned: Path | None = None
    """The network that the version gets, if it was fine-tuned."""

    def remove_files(self) -> None:
        """Remove what is of no use once the run has ended."""
        if self.source is not None:
            self.source.remove()
        if self.tuned is not None:
            self.tuned.unlink(missing_ok=True)


def new_run(model: str, started_by: StartedBy) -> TrainingRun:
    """Return a run that begins now."""
    return TrainingRun(
        id=f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        model=model,
        state=RunState.QUEUED,
        created=utc_now(),
        step="Waiting for its turn.",
        started_by=started_by,
    )
