"""Renames the class red to Crimson in a workspace, and is killed after one step of that.

`python -m tests.support.class_change_killed WORKSPACE STEP`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from backend.events import EventBroker
from backend.models.class_changes import ClassChanges
from backend.store.store import Store
from backend.training.trainer import Trainer
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.backend_env import RepositorySwitch
from tests.support.tiny_model import TINY_MODEL


async def main(workspace: Workspace, step: str) -> None:
    repository, store, broker = ModelRepository(workspace.models), Store(workspace), EventBroker()
    trainer = Trainer(store=store, repository=repository, workspace=workspace, broker=broker)
    switch = RepositorySwitch(repository)
    owner = switch if step == "try_version" else store.classes
    work = getattr(owner, step)

    async def killed(*arguments: Any) -> None:
        await work(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, step, killed)
    changes = ClassChanges(
        repository=repository,
        store=store,
        trainer=trainer,
        switch=switch,
        broker=broker,
        workspace=workspace,
    )
    await changes.rename(TINY_MODEL, "red", "Crimson", "Ann")


if __name__ == "__main__":
    asyncio.run(main(Workspace(Path(sys.argv[1])), sys.argv[2]))
