"""The window on an X server: Qt's own plugin, its libraries, real pixels and the keyboard."""

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
import asyncio
import sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent
from desktop.app import App, Options, run
from desktop.fleet.attach_dialog import AttachDialog
from desktop.quit_dialog import ask_what_to_keep
from desktop.widgets.question import Question
from serving.workspace import Workspace
from tests.support.waiting import wait_until

def press(key: Qt.Key) -> None:
    for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
        event = QKeyEvent(kind, key, Qt.KeyboardModifier.NoModifier)
        QCoreApplication.postEvent(QGuiApplication.focusWindow(), event)

async def look(app: App) -> None:
    await app.backend
    screen = app.window.screen().grabWindow(0).toImage()
    across, down = range(0, screen.width(), 5), range(0, screen.height(), 5)
    colours = {screen.pixel(x, y) for x in across for y in down}
    asked = asyncio.ensure_future(ask_what_to_keep(app.window))
    question = await wait_until(lambda: app.window.findChild(Question))
    await wait_until(question.isActiveWindow)
    press(Qt.Key.Key_Return)
    answer = await asked
    dialog = AttachDialog(app.window)
    dialog.open()
    await wait_until(dialog.isActiveWindow)
    press(Qt.Key.Key_Escape)
    await wait_until(lambda: app.window.findChild(AttachDialog) is None)
    print(QGuiApplication.platformName(), app.window.isVisible(), len(colours), answer.name)

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
    platform, visible, colours, answer = result.stdout.split()[-4:]
    assert (platform, visible) == ("xcb", "True")
    assert int(colours) > 20, "an empty screen has one colour"
    # No window manager runs on this screen: a dialog takes the keyboard by itself.
    assert answer == "STOP"
