"""How one of Servery's programs starts another."""

from __future__ import annotations

import sys


def module_command(module: str) -> list[str]:
    """Return the command that runs `module` as a program, from source or frozen.

    A frozen application has no `python -m`; its entry point takes
    `--run-module MODULE` in its place.
    """
    if getattr(sys, "frozen", False):
        return [sys.executable, "--run-module", module]
    return [sys.executable, "-m", module]
