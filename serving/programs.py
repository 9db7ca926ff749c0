"""How one of Servery's programs starts another."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def module_command(module: str) -> list[str]:
    """Return the command that runs `module` as a program, from source or frozen.

    A frozen application has no `python -m`; its entry point takes
    `--run-module MODULE` in its place.
    """
    if getattr(sys, "frozen", False):
        return [sys.executable, "--run-module", module]
    return [sys.executable, "-m", module]


def source_folder() -> str:
    """Return the folder in which Python finds this code; empty in a frozen application."""
    return "" if getattr(sys, "frozen", False) else str(Path(__file__).resolve().parents[1])


def child_environment(**variables: str) -> dict[str, str]:
    """Return this environment with `variables`, in which `python -m` finds this very code."""
    environment = {**os.environ, **variables}
    if source := source_folder():
        inherited = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{source}{os.pathsep}{inherited}" if inherited else source
    return environment
