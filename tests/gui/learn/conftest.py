from __future__ import annotations

import pytest

from desktop.learn.page import LearnView
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.gui.conftest import Run
from tests.gui.learn.labelling_env import LabellingEnv, PlainBackend, RunLabelling, Scenario
from tests.support.backend_env import repository_with_live_version, worker_script

__all__ = ["worker_script"]


@pytest.fixture
def repository(workspace: Workspace) -> ModelRepository:
    """A model repository with one version, which is live."""
    return repository_with_live_version(workspace)


@pytest.fixture
def run_labelling(run: Run, request: pytest.FixtureRequest) -> RunLabelling:
    """Run a scenario on a page that shows what a backend has for the view that `request` names,
    which is the queue without one."""
    view = getattr(request, "param", LearnView.LABEL)

    def run_scenario(backend: PlainBackend, scenario: Scenario) -> None:
        async def main() -> None:
            env = LabellingEnv(backend)
            async with env.sender.running():
                await env.open(view)
                await scenario(env)
            env.page.close()

        run(main)

    return run_scenario
