"""The Python of our own image: as here, since it gets the compiled packages of this machine."""

from __future__ import annotations

import sys

PYTHON = f"python3.{sys.version_info.minor}"
_SUITES = {11: "bookworm", 13: "trixie"}
SUITE = _SUITES.get(sys.version_info.minor, "")
"""The release of Debian that has this Python, or "" if none has it."""
DEFAULT_BASE = f"debian:{SUITE}-slim" if SUITE else f"python:3.{sys.version_info.minor}-slim"
