"""What killed programs left in a workspace is removed at the start of the backend."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from backend.sweeping import sweep_periodically, sweep_workspace
from serving.background import in_background
from serving.programs import child_environment
from serving.workspace import Workspace
from tests.support.waiting import wait_until

PROGRAM = """
import os, sys
from pathlib import Path
from serving import files
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from backend.store.images import ImageFolder
from serving.engines.instance_records import InstanceRecord
root, step = Path(sys.argv[1]), sys.argv[2]
def die(*arguments, **options):
    os.kill(os.getpid(), 9)
repository = ModelRepository(root / "models")
os.fsync = die
if step == "version":
    with staged_version(repository, "pets") as staged:
        (staged / "saved_model.pb").write_bytes(b"half")
        commit_version(repository, "pets", staged)
elif step == "image":
    ImageFolder(root / "images").put(b"jpeg")
elif step == "record":
    InstanceRecord("instance-0a1b2c", {}, "", 0.0, "").write(root / "run" / "instances")
else:
    files.write_aside(root / step, b"half")
"""
STEPS = ("version", "image", "record", "settings.toml", "fleet/fleet.json", "models/served.json")


def files(workspace: Workspace) -> set[str]:
    # Not by `rglob`, which fails where a folder goes meanwhile.
    return {
        os.path.relpath(Path(folder) / name, workspace.root)
        for folder, _, names in os.walk(workspace.root)
        for name in names
    }


async def test_what_killed_programs_left_is_removed_and_nothing_else(
    workspace: Workspace,
) -> None:
    (workspace.models / "pets").mkdir()
    (workspace.models / "pets" / ".notes").write_text("a person's")
    before = files(workspace)
    for step in STEPS:
        killed = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, str(workspace.root), step), env=child_environment()
        )
        assert await killed.wait() == -9
    left = files(workspace) - before
    # A version has two files by then: its graph and their checksums.
    assert len(left) == len(STEPS) + 1
    async with in_background(sweep_periodically(workspace)):
        await wait_until(lambda: files(workspace) == before)
    assert sweep_workspace(workspace) == []
