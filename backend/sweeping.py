"""Removes what killed programs left half written, at the start and then once an hour."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from serving.leftovers import sweep, sweep_temporary
from serving.workspace import Workspace

SWEEP_SECONDS = 3600.0

_log = logging.getLogger(__name__)


def sweep_workspace(workspace: Workspace) -> list[Path]:
    """Remove what is left over in a workspace, and outside; returns what was removed."""
    removed = sweep(
        (
            *(workspace.root, workspace.run, workspace.instances, workspace.fleet_record.parent),
            *(workspace.logs, workspace.model_images),
            *(workspace.training_runs, workspace.embeddings),
            *_with_folders(workspace.models),
            *_with_folders(workspace.images),
        )
    )
    return removed + sweep_temporary()


async def sweep_periodically(workspace: Workspace) -> None:
    """Sweep again and again until cancelled."""
    while True:
        try:
            removed = await asyncio.to_thread(sweep_workspace, workspace)
            if removed:
                _log.info("Removed what ended programs had left: %s", ", ".join(map(str, removed)))
        except Exception:
            _log.exception("Sweeping failed")
        await asyncio.sleep(SWEEP_SECONDS)


def _with_folders(folder: Path) -> list[Path]:
    try:
        return [folder, *(path for path in folder.iterdir() if path.is_dir())]
    except OSError:
        return []
