"""An engine whose instances pretend to be model servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from serving.engines.process import ProcessEngine
from serving.workspace import Workspace
from tests.support.fleet_env import PRETENDING


@pytest.fixture
async def engine(workspace: Workspace) -> AsyncIterator[ProcessEngine]:
    made = ProcessEngine(workspace, program=PRETENDING)
    yield made
    for instance in await made.instances():
        await made.stop(instance.id, grace=0)
