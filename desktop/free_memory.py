"""Gives memory that the process has freed back to the system."""

from __future__ import annotations

import ctypes
import gc


def return_free_memory() -> None:
    """Return what was freed and kept for later; where the C library cannot do that, nothing.

    What the start needs only once, above all for making the built-in model of a new workspace,
    would count as the window's for as long as it is open.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)
