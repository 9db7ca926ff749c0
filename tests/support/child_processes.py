"""Processes that the test process started itself."""

from __future__ import annotations

import psutil


def children_running(word: str, *, recursive: bool = False) -> list[psutil.Process]:
    """The children, with `recursive` theirs too, that have `word` in their command."""
    children = psutil.Process().children(recursive=recursive)
    return [each for each in children if word in _words(each)]


def zombies() -> set[int]:
    """The ids of children that ended and that nobody has waited for."""
    return {each.pid for each in psutil.Process().children() if _is_zombie(each)}


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # Or a zombie: one that another test left, say.
        return []


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
