"""The processes that this program started and has to see off.

The operating system keeps how a process ended for its parent, until the parent
asks. So children belong to the program and not to one engine object: each is
known by a mark, the argument of its command line that no other process has.
"""

from __future__ import annotations

import subprocess
from collections.abc import Container

_children: dict[str, subprocess.Popen[bytes]] = {}


def add(mark: str, process: subprocess.Popen[bytes]) -> None:
    """Remember a child that was just started."""
    _children[mark] = process


def find(mark: str) -> subprocess.Popen[bytes] | None:
    """Return the child with this mark; None where another program is its parent."""
    return _children.get(mark)


def reap(prefix: str, kept: Container[str]) -> None:
    """Let go of every child that has ended, save those whose end is still to be told.

    Only of those whose mark starts with `prefix`; `kept` are marks.
    """
    for mark, process in list(_children.items()):
        if mark.startswith(prefix) and process.poll() is not None and mark not in kept:
            _children.pop(mark, None)
