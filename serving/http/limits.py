"""How long a client may keep a connection waiting, and how many connections there are."""

from __future__ import annotations

import contextlib
import os
import resource
from dataclasses import dataclass

_DESCRIPTORS_EACH = 2
"""Of a connection: its socket, and a file that is received or sent or another server's."""
_SPARE_DESCRIPTORS = 24
"""For the rest of the program: databases, child processes, other servers' connections."""
_MIN_CONNECTIONS = 4


@dataclass(frozen=True)
class HttpLimits:
    """Limits of an HTTP server; those in seconds count while the server waits for the client."""

    connections: int = 256
    """Open at once. With fewer file descriptors there are fewer."""
    head_seconds: float = 10.0
    """From the first byte of a request, or the start of the connection, to the whole head."""
    body_seconds: float = 30.0
    """In which at least PROGRESS_BYTES of a request's body arrive."""
    response_seconds: float = 30.0
    """In which the client takes some of a response."""
    idle_seconds: int = 75
    """Between two requests. As nginx: a client that keeps a connection for as long as the server
    (HTTPX does so for 5 s) may send a request just while it is ended, and that request fails.
    Where others need room, those that idle are ended first."""


DEFAULT_LIMITS = HttpLimits()
PROGRESS_BYTES = 1024
"""Less than this in `body_seconds` is no progress; 34 bytes a second are."""


def affordable_connections(limit: int, already_open: int = 0) -> int:
    """Return how many connections, at most `limit`, the process has file descriptors for.

    `already_open` of them are among those that are in use now.

    Half of them go to connections, the other half to the files that these send, or to another
    server of the process. Raises the process's own limit on descriptors, as far as it may, before
    it returns fewer.
    """
    in_use = _descriptors_in_use() - already_open
    needed = in_use + _SPARE_DESCRIPTORS + _DESCRIPTORS_EACH * limit
    allowed, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        allowed = needed if hard_limit == resource.RLIM_INFINITY else min(needed, hard_limit)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard_limit))
        affordable = (allowed - in_use - _SPARE_DESCRIPTORS) // _DESCRIPTORS_EACH
        return max(_MIN_CONNECTIONS, min(limit, affordable))
    return limit


def _descriptors_in_use() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no Path for each is needed
    except OSError:  # there may be none left to list them with
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
