"""The window on an X server: Qt's own plugin, its system libraries, and real pixels."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.requirements import missing

PROGRAM = """
import sys
from pathlib import Path
from PySide6.QtGui import QGuiApplication
from desktop.app import App, Options, run
from serving.workspace import Workspace

async def look(app: App) -> None:
    await app.backend
    screen = app.window.screen().grabWindow(0).toImage()
    across, down = range(0, screen.width(), 5), range(0, screen.height(), 5)
    colours = {screen.pixel(x, y) for x in across for y in down}
    print(QGuiApplication.platformName(), app.window.isVisible(), len(colours))

sys.exit(run(Options(Workspace(Path(sys.argv[1])), engine="process"), look))
"""


@pytest.mark.gui
def test_the_window_is_seen_on_an_x_server(tmp_path: Path) -> None:
    if shutil.which("xvfb-run") is None:
        missing("xvfb-run is not installed")
    result = subprocess.run(
        [
            *("xvfb-run", "--auto-servernum", "--server-args=-screen 0 1280x800x24"),
            *(sys.executable, "-c", PROGRAM, str(tmp_path / "workspace")),
        ],
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "xcb", "QT_XCB_GL_INTEGRATION": "none"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    platform, visible, colours = result.stdout.split()[-3:]
    assert (platform, visible) == ("xcb", "True")
    assert int(colours) > 20, "an empty screen has one colour"
