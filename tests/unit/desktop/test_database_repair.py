"""Labels on their way survive the repair of the desktop's database, whatever they say."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

from backend.contract import LabelKind
from desktop.database_repair import check_desktop_database, prepare_desktop_database
from desktop.learn.outbox_store import LabelStatement, OutboxStore
from serving.repair.problem import find_problems, repaired
from serving.workspace import Workspace


def test_labels_of_every_kind_are_recovered(workspace: Workspace) -> None:
    with closing(sqlite3.connect(workspace.desktop_database, isolation_level=None)) as database:
        database.row_factory = sqlite3.Row
        prepare_desktop_database(database)

    async def keep() -> None:
        store = OutboxStore(workspace.desktop_database)
        await store.add("a", ["ab"], b"jpeg", LabelStatement("cat"))
        await store.add("b", ["cd", "ef"], None, LabelStatement("", kind=LabelKind.NONE, by="Ann"))
        await store.database.close()

    async def kept() -> list[tuple[tuple[str, ...], LabelStatement]]:
        store = OutboxStore(workspace.desktop_database)
        entries = await store.pending()
        await store.database.close()
        return [(entry.images, entry.statement) for entry in entries]

    asyncio.run(keep())
    before = asyncio.run(kept())
    content = workspace.desktop_database.read_bytes()
    # The first page says that the file is longer than it is.
    workspace.desktop_database.write_bytes(content[:28] + (2**20).to_bytes(4, "big") + content[32:])
    (problem,) = find_problems(workspace, [check_desktop_database])
    repaired(problem)
    assert asyncio.run(kept()) == before
    assert len(before) == 2
