"""The databases that labels are kept in, so that the same tests run on each of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from serving.workspace import Workspace
from tests.support.postgresql import PostgreSqlServer

SQLITE, POSTGRESQL = "sqlite", "postgresql"
EACH_DATABASE = "EACH_DATABASE"
"""The name of a variable of a test module: if it is true, its tests run once on each database."""


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, as `Store` takes it: empty for SQLite."""
    if getattr(request, "param", SQLITE) == SQLITE:
        return ""
    server = request.getfixturevalue("postgresql")
    assert isinstance(server, PostgreSqlServer)
    return server.new_database()


def parametrize_database(metafunc: pytest.Metafunc) -> None:
    """Run a test on each database if its module asks for that."""
    if "database" in metafunc.fixturenames and getattr(metafunc.module, EACH_DATABASE, False):
        metafunc.parametrize("database", [SQLITE, POSTGRESQL], indirect=True)


def rows(workspace: Workspace, database: str, query: str) -> list[tuple[Any, ...]]:
    """Return what is in the database of a workspace, as another program sees it."""
    if database:
        import psycopg

        with psycopg.connect(database) as connection:
            found: list[tuple[Any, ...]] = connection.execute(query.encode()).fetchall()
            return found
    with closing(sqlite3.connect(workspace.backend_database)) as file:
        return file.execute(query).fetchall()
