"""Gives memory that the process has freed back to the system."""

from __future__ import annotations

import ctypes
import functools
import gc
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""From glibc's malloc.h."""
_FREE_BYTES = 1 << 20
_LARGE_BLOCK_BYTES = 16 << 20


@functools.cache
def _c_library() -> Any:
    """Return the process itself, in which the C library's functions are found."""
    return ctypes.CDLL(None)


def return_free_memory() -> None:
    """Return memory that the allocator keeps for later to the system, if it can.

    Loading a version takes and frees much more than the version then needs.
    """
    trim = getattr(_c_library(), "malloc_trim", None)
    if trim is not None:
        trim(0)


class _Allocations(ctypes.Structure):
    """glibc's `struct mallinfo2`."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def allocated_bytes() -> int:
    """Return the bytes that are allocated in this process; always 0 where nobody counts them."""
    count = getattr(_c_library(), "mallinfo2", None)
    if count is None:
        return 0
    count.restype = _Allocations
    found = count()
    return int(found.uordblks + found.hblkhd)


def keep_little_free_memory() -> None:
    """Make the allocator return free memory to the system by itself, from now on, if it can.

    glibc keeps more the larger the blocks are that were freed, and `return_free_memory` does
    not reach what is at the end of another thread's memory.
    """
    tune = getattr(_c_library(), "mallopt", None)
    if tune is not None:
        tune(_M_TRIM_THRESHOLD, _FREE_BYTES)


def return_unused_memory() -> None:
    """Collect what is in memory only because it refers to itself, and return what is free."""
    gc.collect()
    return_free_memory()


def allocate_from_few_arenas(count: int) -> None:
    """Let all threads together have `count` parts of the heap from now on, if that can be set.

    glibc gives each thread its own up to 8 for each core, and what is free in one serves no
    other. Call it before there are threads.
    """
    tune = getattr(_c_library(), "mallopt", None)
    if tune is not None:
        tune(_M_ARENA_MAX, count)


def return_large_blocks_at_once() -> None:
    """Make the allocator return blocks of 16 MB when they are freed, from now on, if it can.

    glibc otherwise keeps blocks of up to twice that size for later once one was freed.
    """
    tune = getattr(_c_library(), "mallopt", None)
    if tune is not None:
        tune(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
        # With the threshold it stops to choose this by itself, and would return too much.
        tune(_M_TRIM_THRESHOLD, 2 * _LARGE_BLOCK_BYTES)
