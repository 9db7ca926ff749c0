"""Takes from the program that reads somebody's file what it does not need.

Memory, time on the processor, the network, and starting other programs. This comes before
TensorFlow is imported and before the file is opened.
"""

from __future__ import annotations

import contextlib
import ctypes
import platform
import resource
import signal
import struct
import sys
from pathlib import Path

ADDRESS_SPACE_BYTES = 16 * 2**30
"""TensorFlow reserves some gigabytes of addresses that it never fills."""
PROCESSOR_SECONDS = 1800

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 38, 22
_SECCOMP_MODE_FILTER = 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13
"""Refused calls fail with EACCES."""
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_ARCHITECTURES = {
    # The number of the architecture, then of its calls: socket, execve, execveat, io_uring_setup.
    "x86_64": (0xC000003E, (41, 59, 322, 425)),
    "aarch64": (0xC00000B7, (198, 221, 281, 425)),
}


class _Filter(ctypes.Structure):
    """`struct sock_fprog`: a program for the kernel, and how many instructions it has."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def confine(address_space: int = ADDRESS_SPACE_BYTES, seconds: int = PROCESSOR_SECONDS) -> None:
    """Limit this process and end it with its parent.

    Beyond `address_space` bytes it gets MemoryError, beyond `seconds` of the processor it is
    ended. It can open no connection and start no program, on Linux.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_AS, address_space)
    _lower(resource.RLIMIT_CPU, seconds)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with contextlib.suppress(OSError):
            # If memory runs out, this program goes before any other.
            Path("/proc/self/oom_score_adj").write_text("1000")
        _refuse_calls(libc)


def _lower(limit: int, value: int) -> None:
    _, hard_limit = resource.getrlimit(limit)
    if hard_limit != resource.RLIM_INFINITY:
        value = min(value, hard_limit)
    resource.setrlimit(limit, (value, value))


def _refuse_calls(libc: ctypes.CDLL) -> None:
    """Let the kernel refuse sockets and other programs, where it can."""
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return
    architecture, calls = known
    code = [
        _instruction(_LOAD, 0, 0, _ARCHITECTURE_AT),
        # Calls of another architecture, as of 32 bits, have other numbers: all are refused.
        _instruction(_JUMP_IF_EQUAL, 0, len(calls) + 2, architecture),
        _instruction(_LOAD, 0, 0, _NUMBER_AT),
        *(
            _instruction(_JUMP_IF_EQUAL, len(calls) - at, 0, number)
            for at, number in enumerate(calls)
        ),
        _instruction(_RETURN, 0, 0, _ALLOW),
        _instruction(_RETURN, 0, 0, _REFUSE),
    ]
    content = ctypes.create_string_buffer(b"".join(code))
    program = _Filter(len(code), ctypes.addressof(content))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Without it, as under an old kernel, the checks of the file and the other limits remain.
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


def _instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
    """`struct sock_filter`."""
    return struct.pack("HBBI", code, if_true, if_false, value)
