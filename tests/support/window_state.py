"""What a window has done so far, as its workspace shows."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from serving.workspace import Workspace


def takes_labels(workspace: Workspace) -> bool:
    """Whether the application is as far as the outbox, the last thing it builds."""
    if not workspace.desktop_database.exists():
        return False
    with closing(sqlite3.connect(workspace.desktop_database)) as database:
        tables = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'outbox'")
        return tables.fetchone() is not None
