"""A workspace with one live version, and a worker that a test writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.unit.backend.conftest import MODEL, add_version


@pytest.fixture
def repository(workspace: Workspace) -> ModelRepository:
    """A model repository with one version, which is live."""
    made = ModelRepository(workspace.models)
    add_version(made)
    made.promote(MODEL, 1)
    return made


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    """The program that carries out training runs."""
    path = tmp_path / "worker.py"
    path.write_text("raise SystemExit('no worker was written')\n")
    return path
