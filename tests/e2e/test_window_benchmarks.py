"""Benchmarks of the window see the gallery, and end with a sentence if nothing comes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.requirements import need_programs

PROGRAM = """
import sys
from pathlib import Path
from desktop.app import App, Options
from serving.workspace import Workspace
from tests.benchmarks.waits import reach, run_window

async def use(app: App) -> None:
    print(app.first_steps.is_shown, app.settings.preferences.first_steps_done)
    await reach("a photo", lambda: app.gallery.photos, 0.2)

sys.exit(run_window(Options(Workspace(Path(sys.argv[1])), engine="process"), use))
"""


def program(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.gui
def test_a_benchmark_whose_photo_never_comes_says_so(tmp_path: Path) -> None:
    result = program("-c", PROGRAM, tmp_path / "workspace")
    assert result.returncode == 1
    assert result.stdout.splitlines() == ["False True"]
    assert result.stderr.splitlines()[-1] == "Gave up: waited for a photo for 0 s."


@pytest.mark.gui
def test_the_gallery_of_a_long_history_is_seen() -> None:
    need_programs("Xvfb")
    few = ("--photos", "300", "--repeats", "1", "--stacks", "0")
    result = program("-m", "tests.benchmarks.long_history", *few)
    assert result.returncode == 0, result.stderr
    assert "the newest photos are shown" in result.stdout
    assert "all 300 are there" in result.stdout
    assert "filter by state" in result.stdout
