"""The desktop's database: history, and labels that the backend has not acknowledged yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from backend.contract import LabelKind
from desktop.classify.history import prepare_history
from desktop.learn.outbox_store import prepare_outbox
from serving.database import Connection
from serving.repair.databases import check_database, recover_database
from serving.repair.problem import WorkspaceProblem
from serving.workspace import Workspace


def check_desktop_database(workspace: Workspace) -> Iterator[WorkspaceProblem]:
    yield from check_database(workspace.desktop_database, partial(_recover, workspace))


def _recover(workspace: Workspace) -> str:
    path = workspace.desktop_database
    return recover_database(
        workspace,
        path,
        prepare_desktop_database,
        {"outbox": _is_label, "history": _is_photo, "watched_folders": _is_folder},
        {"outbox": "labels on their way", "history": "photos of the history"},
    )


def prepare_desktop_database(connection: Connection) -> None:
    prepare_history(connection)
    prepare_outbox(connection)


def _is_label(row: Mapping[str, Any]) -> bool:
    of_class = row["kind"] == LabelKind.CLASS
    return row["kind"] in tuple(LabelKind) and all(
        isinstance(row[name], str) and row[name]
        for name in ("key", "image", *(["class_name"] if of_class else []))
    )


def _is_photo(row: Mapping[str, Any]) -> bool:
    return isinstance(row["path"], str | bytes) and isinstance(row["added"], float)


def _is_folder(row: Mapping[str, Any]) -> bool:
    return isinstance(row["path"], bytes)
