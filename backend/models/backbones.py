"""Which backbone a version has, so that embeddings of photos can be kept for it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from backend.training.worker_process import worker_variables
from serving.job_program import run_job
from serving.models.version import Version
from serving.tf.names import SAVED_MODEL_FILE

PROGRAM = "backend.training.backbone"


class Backbones:
    """Hashes of backbones, each read once a version, since versions never change."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, int], str] = {}
        self._reading = asyncio.Lock()

    async def hash_of(self, version: Version) -> str:
        """Return the hash under which embeddings of a version are cached.

        Empty for a version without a head that could learn, or that was removed.
        """
        async with self._reading:
            try:
                state = (version.path / SAVED_MODEL_FILE).stat()
            except OSError:
                return ""
            key = (version.path, state.st_ino)
            if key not in self._known:
                found = await run_job(
                    PROGRAM,
                    json.dumps(str(version.path)),
                    "Reading a version",
                    worker_variables(),
                )
                self._known[key] = str(found)
            return self._known[key]
