"""`python -m tests.chaos`: break the application at random, and see what it promises hold."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.chaos.report import Report
from tests.chaos.run import run, small_disk


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--instances", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, help="keep everything in this empty folder")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="servery-chaos-"))
    with small_disk(folder / "disk") as disk:
        report = Report(options.seed, folder / "events.txt")
        asyncio.run(run(disk, report, options.minutes, options.instances))
    print(report)
    print(f"{'what happened when':<24} {report.events_file}")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
