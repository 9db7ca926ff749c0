"""Renames the class red to Crimson in a workspace, and is killed after one step of that.

`python -m tests.support.class_change_killed WORKSPACE STEP`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from backend.events import EventBroker
from backend.models.class_changes import ClassChanges
from backend.store.store import Store
from backend.training.trainer import Trainer
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.backend_env import RepositorySwitch
from tests.support.killed_at import kill_at, kill_self
from tests.support.tiny_model import TINY_MODEL


async def main(workspace: Workspace, step: str) -> None:
    repository, store, broker = ModelRepository(workspace.models), Store(workspace), EventBroker()
    trainer = Trainer(store=store, repository=repository, workspace=workspace, broker=broker)
    switch = RepositorySwitch(repository)
    owner = switch if step == "try_version" else store.classes
    kill_at(owner, step, 1, after=True, kill=kill_self)
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
