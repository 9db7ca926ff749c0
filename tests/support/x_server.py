"""An X server of a test's own, without a screen that anyone sees."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.requirements import missing


@contextmanager
def x_server(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run Xvfb during the block; yields it and its display. Skips the test without Xvfb."""
    if shutil.which("Xvfb") is None:
        missing("Xvfb is not installed")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", *options]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as display:
            yield server, f":{display.readline().strip()}"
    finally:
        server.kill()
        server.wait()
