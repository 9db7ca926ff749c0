"""What installing takes: seconds, megabytes to download, megabytes on disk.

    python -m tests.benchmarks.install COMMIT... [--runs 1]

Each commit is installed by its own `run.py` into a fresh folder, in turn, from the package index
and without pip's cache. "HEAD" is this commit. On disk is what the files of `.venv` occupy.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.measure import Figure, print_ratio
from tests.conftest import ROOT

_UNITS = {"kB": 1e-3, "MB": 1.0}


def measure(commit: str, folder: Path) -> tuple[float, float, float]:
    """Install a commit into an empty folder; return seconds, and megabytes down and on disk."""
    archive = subprocess.run(
        ["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=True
    ).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    environment = {**os.environ, "PIP_NO_CACHE_DIR": "1"}
    began = time.perf_counter()
    subprocess.run([sys.executable, "run.py", "--version"], cwd=folder, env=environment, check=True)
    seconds = time.perf_counter() - began
    log = (folder / ".venv" / "install.log").read_text(encoding="utf-8")
    found = re.findall(r"^ *Downloading .*\(([\d.]+) (kB|MB)\)$", log, re.MULTILINE)
    downloaded = sum(float(number) * _UNITS[unit] for number, unit in found)
    files = [path.lstat() for path in (folder / ".venv").rglob("*")]
    return seconds, downloaded, sum(file.st_blocks * 512 for file in files) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commits", nargs="+")
    parser.add_argument("--runs", type=int, default=1)
    arguments = parser.parse_args()
    measured: dict[str, list[tuple[float, float, float]]] = {
        commit: [] for commit in arguments.commits
    }
    for _ in range(arguments.runs):
        for commit in arguments.commits:
            with tempfile.TemporaryDirectory(prefix="servery-install-") as folder:
                measured[commit].append(measure(commit, Path(folder)))
    figures = {
        commit: [
            Figure(f"{commit}: {name}", values, unit)
            for name, unit, values in zip(
                ("install", "download", "on disk"),
                ("s", "MB", "MB"),
                zip(*rows, strict=True),
                strict=True,
            )
        ]
        for commit, rows in measured.items()
    }
    for of_commit in figures.values():
        print(*of_commit, sep="\n")
    first, *others = arguments.commits
    for other in others:
        for before, after in zip(figures[first], figures[other], strict=True):
            print_ratio(f"{before.name} to that of {other}", before, after)


if __name__ == "__main__":
    main()
