"""Gives memory that the window has freed back to the system."""

from __future__ import annotations

import gc

from serving.tf import free_memory


def return_free_memory() -> None:
    """Return what was freed and kept for later; where the C library cannot do that, nothing.

    What the start needs only once, above all for making the built-in model of a new workspace,
    would count as the window's for as long as it is open.
    """
    gc.collect()
    free_memory.return_free_memory()
