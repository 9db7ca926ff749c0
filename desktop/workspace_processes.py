"""Which processes of this machine belong to a workspace, proven by more than a number in a file.

A process id that a file names may be somebody else's by now, and a file may be damaged. A process
counts if its command line says that it is one of Servery's programs on this very workspace; or, for
a backend that somebody started without naming the workspace there, if it holds its lock.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from backend.client import backend_lock_file
from serving.engines.process import PORTS_FLAG
from serving.lock_state import lock_holder
from serving.process_identity import process_identity
from serving.workspace import Workspace

BACKEND, WORKER, INSTANCE = "backend", "training worker", "instance"
_WORKER_MODULES = ("backend.training.worker", "backend.training.fine_tuning.program")


@dataclass(frozen=True)
class WorkspaceProcess:
    """One process that certainly belongs to the workspace."""

    kind: str
    """BACKEND, WORKER or INSTANCE."""
    pid: int
    identity: str
    """See `serving.process_identity`."""

    def __str__(self) -> str:
        return f"{self.kind} (process {self.pid})"


def workspace_processes(workspace: Workspace) -> list[WorkspaceProcess]:
    """Return every backend, training worker and instance of a workspace that runs here."""
    root = workspace.root.resolve()
    holder = lock_holder(backend_lock_file(workspace))
    return [
        WorkspaceProcess(kind, pid, identity)
        for pid, words in _command_lines(owners={os.getuid(), root.stat().st_uid})
        if (kind := _kind(words, root, holds_lock=pid == holder))
        and (identity := process_identity(pid))
    ]


def _command_lines(owners: set[int]) -> Iterator[tuple[int, list[str]]]:
    for process in psutil.process_iter():
        try:
            # A command line can say anything: what other users run is none of ours.
            if process.pid != os.getpid() and process.uids().effective in owners:
                yield process.pid, process.cmdline()
        except psutil.Error:  # it has ended
            continue


def _kind(words: list[str], root: Path, *, holds_lock: bool) -> str:
    """Return what a command line is the one of; empty for nothing of this workspace."""
    # Not whatever prints or searches for such a command line.
    if not words or not Path(words[0]).name.startswith(("python", Path(sys.executable).name)):
        return ""
    module = _module(words)
    if module == "backend" and (holds_lock or _workspace_of(words) == root):
        return BACKEND
    if module in _WORKER_MODULES and any(_is_below(word, root) for word in words):
        return WORKER
    flag, folder = f"{PORTS_FLAG}=", Workspace(root).instances
    if any(word.startswith(flag) and _is_below(word[len(flag) :], folder) for word in words):
        return INSTANCE
    return ""


def _module(words: list[str]) -> str:
    """Return the module that a command line runs as a program."""
    for flag, module in pairwise(words):
        if flag in ("-m", "--run-module"):
            return module
    return ""


def _workspace_of(words: list[str]) -> Path | None:
    for flag, folder in pairwise(words):
        if flag == "--workspace":
            return Path(folder).resolve()
    return None


def _is_below(word: str, folder: Path) -> bool:
    return word.startswith("/") and Path(os.path.normpath(word)).is_relative_to(folder)
