"""The backend, killed with SIGKILL at a given point of its first export or import of labels.

`python -m tests.support.label_files_killed POINT`, followed by the backend's arguments.
"""

from __future__ import annotations

import sys
from typing import Any

from backend import __main__ as backend
from backend.label_files import import_labels, write
from tests.support.killed_at import kill_at, kill_self

POINTS: dict[str, tuple[Any, str, int]] = {
    "photos are written": (write, "read_image", 100),
    "photos are read": (import_labels, "read_image", 100),
}
"""Before which call of which function the backend is killed: its owner, name, and the number."""

if __name__ == "__main__":
    owner, name, call = POINTS[sys.argv.pop(1)]
    kill_at(owner, name, call, after=False, kill=kill_self)
    sys.exit(backend.main())
