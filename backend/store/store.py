"""What the backend remembers: labels with their images, training runs, decisions."""

from __future__ import annotations

from backend.store.classes import ClassStore
from backend.store.images import ImageFolder
from backend.store.labels import LabelStore
from backend.store.models import ModelRows
from backend.store.pool import PoolStore
from backend.store.runs import RunStore
from backend.store.schema import migrate
from backend.store.unavailable import StorageUnavailable
from serving.database import Database
from serving.workspace import Workspace


class Store:
    """The database and the image folder of one workspace, opened together."""

    def __init__(self, workspace: Workspace) -> None:
        self._database = Database(workspace.backend_database, migrate, StorageUnavailable)
        self.images = ImageFolder(workspace.images)
        self.labels = LabelStore(self._database, self.images)
        self.classes = ClassStore(self._database, self.images)
        self.pool = PoolStore(self._database, self.images)
        self.runs = RunStore(self._database)
        self.models = ModelRows(self._database, self.images)

    async def open(self) -> None:
        """Open or create everything; raises StorageUnavailable. Any use opens it again then."""
        await self._database.open()

    async def close(self) -> None:
        """Finish what was accepted, then close."""
        await self._database.close()
