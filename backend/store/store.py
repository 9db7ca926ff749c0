"""What the backend remembers: labels with their images, training runs, decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.store.archived_labels import ArchivedLabelStore
from backend.store.classes import ClassStore
from backend.store.database import DatabaseNotifications, StoreDatabase, UnusableDatabase
from backend.store.images import ImageFolder
from backend.store.kept_versions import KeptVersionStore
from backend.store.label_exchange import LabelExchange
from backend.store.labels import LabelStore
from backend.store.models import ModelRows
from backend.store.pool import PoolStore
from backend.store.runs import RunStore
from backend.store.schema import migrate
from serving.database import Database
from serving.errors import StorageUnavailable
from serving.workspace import Workspace

if TYPE_CHECKING:
    from backend.store.postgresql import PostgreSqlDatabase


class Store:
    """The database and the image folder of one workspace, opened together."""

    def __init__(self, workspace: Workspace, database: str = "") -> None:
        """`database` is `postgresql://…`; by default it is a file of SQLite in the workspace.

        The images are files in the workspace with either. Raises UnusableDatabase.
        """
        self.notifications: DatabaseNotifications | None = None
        """How the programs that use one database tell each other; None if there is only one."""
        self._database: StoreDatabase
        if database:
            self._database = self.notifications = _postgresql(database)
        else:
            path = workspace.backend_database
            self._database = Database(path, migrate, StorageUnavailable)
        self.images = ImageFolder(workspace.images)
        self.labels = LabelStore(self._database, self.images)
        self.archived_labels = ArchivedLabelStore(self._database)
        self.exchange = LabelExchange(self._database, self.images)
        self.classes = ClassStore(self._database, self.images)
        self.pool = PoolStore(self._database, self.images)
        self.runs = RunStore(self._database)
        self.kept_versions = KeptVersionStore(self._database)
        self.models = ModelRows(self._database, self.images)

    async def open(self) -> None:
        """Open or create everything; raises StorageUnavailable. Any use opens it again then."""
        await self._database.open()

    async def close(self) -> None:
        """Finish what was accepted, then close."""
        await self._database.close()


def _postgresql(url: str) -> PostgreSqlDatabase:
    if not url.startswith(("postgresql://", "postgres://")):
        raise UnusableDatabase(
            "The database that was named is none of PostgreSQL.",
            "Name one as postgresql://USER@HOST/NAME, or none: SQLite is used then.",
        )
    try:
        # Only whoever names such a database has to have its driver.
        from backend.store.postgresql import PostgreSqlDatabase
    except ImportError as error:
        raise UnusableDatabase(
            "The driver of PostgreSQL is not installed.",
            "Install it with `pip install psycopg[binary]`, or name no database.",
        ) from error
    return PostgreSqlDatabase(url)
