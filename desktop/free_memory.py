"""Gives memory that the window has freed back to the system."""

from __future__ import annotations

import sys

from desktop.main_thread_gc import keep_present_objects
from serving.tf import free_memory

ARENAS = 2
"""Parts of the heap: what the threads that decode photos leave free in one serves all of them."""


def limit_memory() -> None:
    """Have freed memory go back to the system soon; to be called before there are threads."""
    free_memory.allocate_from_few_arenas(ARENAS)
    free_memory.keep_little_free_memory()
    # HTTPX imports its command line where that can be imported, and with it Rich, Pygments and
    # Click: 8 MB, for a command that nobody calls here. None makes the import fail, as Python
    # documents; typeshed knows modules alone.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


def return_free_memory() -> None:
    """Return what was freed and kept for later; where the C library cannot do that, nothing.

    What the start needs only once, above all for making the built-in model of a new workspace,
    would count as the window's for as long as it is open. To be called when all is built.
    """
    keep_present_objects()
    free_memory.return_free_memory()
