from __future__ import annotations

import pytest

from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.backend_env import repository_with_live_version, worker_script

__all__ = ["worker_script"]


@pytest.fixture
def repository(workspace: Workspace) -> ModelRepository:
    """A model repository with one version, which is live."""
    return repository_with_live_version(workspace)
