"""What is slow to import comes after the window's first paint, and off the main thread."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.sample_images import image_file

LIGHT = {"PIL", "PySide6", "desktop", "platformdirs", "qasync", "serving", "shiboken6"}
"""All that the window needs before it is painted; anything else delays it."""

SMALL = {"anyio"}
"""What HTTPX imports piece by piece at its first request, in a few milliseconds."""

PROGRAM = """
import json, sys, threading
from pathlib import Path

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication

from desktop.app import App, Options, run
from serving.workspace import Workspace

workspace, photo = map(Path, sys.argv[1:])
late = []


def on_audit(event, arguments):
    if event == "import" and first_paint.modules and threading.current_thread() is main_thread:
        late.append(arguments[0])


class FirstPaint(QObject):
    modules = ()

    def eventFilter(self, watched, event):
        if not self.modules and event.type() == QEvent.Type.Paint:
            # What is None was kept from being imported.
            self.modules = tuple(name for name, found in sys.modules.items() if found)
        return False


async def use(app: App) -> None:
    await (await app.client).classify(photo.read_bytes())
    await (await app.backend).labels()
    await app.classify.label([str(photo)], "teal").result()


main_thread = threading.main_thread()
first_paint = FirstPaint()
qt = QApplication(["servery"])
qt.installEventFilter(first_paint)
sys.addaudithook(on_audit)
run(Options(Workspace(workspace), engine="process", photos=(photo,)), use)
imported = [name for name in late if name in sys.modules and name not in first_paint.modules]
print(json.dumps({"first": first_paint.modules, "late": imported}))
"""


@pytest.mark.gui
@pytest.mark.slow
def test_the_window_is_painted_first_and_answers_while_the_rest_is_imported(
    tmp_path: Path,
) -> None:
    photo = image_file(tmp_path / "photo.jpg")
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "workspace"), str(photo)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    modules = json.loads(result.stdout.splitlines()[-1])
    assert third_party(modules["first"]) <= LIGHT
    assert "desktop.start_fleet" not in modules["first"]
    assert "desktop.start_learning" not in modules["first"]
    assert third_party(modules["late"]) <= SMALL, modules["late"]


def third_party(modules: list[str]) -> set[str]:
    """Return the top-level packages among `modules` that do not come with Python."""
    packages = {name.partition(".")[0] for name in modules}
    # Names with underscores are the interpreter's, the installer's and the Qt binding's hooks.
    return {
        name
        for name in packages - set(sys.stdlib_module_names)
        if not name.startswith("_") and name not in ("shibokensupport", "signature_bootstrap")
    }
