"""A store on each of the databases."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backend.store.store import Store
from serving.workspace import Workspace


@pytest.fixture
async def store(workspace: Workspace, database: str) -> AsyncIterator[Store]:
    store = Store(workspace, database)
    await store.open()
    yield store
    await store.close()
