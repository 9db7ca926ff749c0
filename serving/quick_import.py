"""Imports of very many modules, without the collections of garbage that they would cause."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_import() -> Iterator[None]:
    """Collect no garbage in the block, and keep what it left out of every later collection.

    Modules are never garbage. Importing TensorFlow makes a million objects, and looking through
    them again and again takes a sixth of its time. For programs that end after one job.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
