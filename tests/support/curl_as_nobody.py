"""Runs curl as another user of the machine, who must reach nothing of the person's."""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.support.other_user import NOBODY
from tests.support.requirements import missing

RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"


def run_as_nobody(*command: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a program as nobody; skips the test unless we are root and have it."""
    if os.getuid() != 0:
        missing("only root starts programs as another user")
    if shutil.which(command[0]) is None:
        missing(f"there is no {command[0]}")
    return subprocess.run(
        command,
        user=NOBODY,
        group=NOBODY,
        extra_groups=(),
        cwd="/",
        env={"PATH": os.environ["PATH"]},
        input=data,
        capture_output=True,
        timeout=60,
        check=False,
    )


def grpc_call(method: str, *where: str) -> tuple[str, ...]:
    """Return a curl command that sends a gRPC request, which it reads on its standard input.

    `where` are options, and the beginning of a URL as the last one.
    """
    *options, url = where
    return (
        *("curl", "--silent", "--show-error", "--max-time", "30", "--http2-prior-knowledge"),
        *("--header", "content-type: application/grpc", "--header", "te: trailers"),
        *("--dump-header", "-", "--output", "/dev/null", "--data-binary", "@-"),
        *options,
        f"{url}{method}",
    )


def framed(message: bytes) -> bytes:
    """Return a message as gRPC sends it."""
    return b"\0" + len(message).to_bytes(4, "big") + message
