"""What the allocator keeps; each in a process of its own, since it is set for a whole process."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys

import pytest

_ARENAS_OF_THREADS = """
import ctypes, sys, threading
from serving.tf.free_memory import allocate_from_few_arenas

if int(sys.argv[1]):
    allocate_from_few_arenas(int(sys.argv[1]))
together = threading.Barrier(6)

def allocate():
    together.wait()
    block = bytearray(50_000)
    together.wait()

threads = [threading.Thread(target=allocate) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def _arenas(limit: int) -> int:
    """Return how many arenas six threads use at once; a limit of 0 sets none."""
    program = [sys.executable, "-c", _ARENAS_OF_THREADS, str(limit)]
    told = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    return len(re.findall("<heap nr=", told))


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc alone tells of its arenas"
)
def test_threads_share_few_arenas() -> None:
    assert _arenas(2) == 2 < _arenas(0)
